"""The bounds of the knowledge forgetting and retention rates."""

from __future__ import annotations

import pytest
import torch

from lethe.auditing.text.knowledge_rates import entity_coverage, forgetting_rate, retention_rate
from lethe.errors import InputError

NO, YES = torch.tensor([False]), torch.tensor([True])


def value(number: float) -> torch.Tensor:
    return torch.tensor([number], dtype=torch.float64)


@pytest.mark.parametrize(
    ("coverage", "entities", "forgotten"),
    [(0.5, 3, 1.0), (0.51, 3, 0.0), (0.3, 4, 1.0), (0.31, 4, 0.0), (0.5, 4, 0.0)],
)
def test_the_bound_of_forgetting_is_higher_for_few_entities(coverage: float, entities: int, forgotten: float) -> None:
    assert forgetting_rate(value(coverage), torch.tensor([entities]), NO) == forgotten


def test_a_contradiction_forgets_whatever_is_covered() -> None:
    assert forgetting_rate(value(1.0), torch.tensor([9]), YES) == 1.0
    assert retention_rate(value(1.0), YES) == 0.0


def test_the_bound_of_retention_belongs_to_it() -> None:
    assert [retention_rate(value(c), NO) for c in (0.3, 0.29)] == [1.0, 0.0]


def test_rates_are_means_over_answers() -> None:
    coverage, entities = torch.tensor([0.0, 1.0, 1.0, 1.0]).double(), torch.tensor([5, 5, 5, 5])
    denied = torch.tensor([False, False, False, True])
    assert forgetting_rate(coverage, entities, denied) == 0.5
    assert retention_rate(coverage, denied) == 0.5


def test_a_reference_without_entities_has_no_coverage() -> None:
    assert entity_coverage(torch.tensor([0]), torch.tensor([0])).tolist() == [0.0]
    with pytest.raises(InputError, match="must both be"):
        entity_coverage(torch.tensor([0]), torch.tensor([0, 1]))
