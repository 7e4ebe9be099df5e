from __future__ import annotations

import torch
from torch import Tensor

from lethe.auditing.leaks import gold_that_saw_some
from lethe.auditing.metric import Rows
from tests.auditing.metrics.made import made, with_probability

COUNT = 100


def gold(seed: int, leaked: Tensor | None = None) -> Rows:
    """A model that gives labels it never saw anything between 0 and 0.4, and those it saw 0.9."""
    probability = 0.4 * torch.rand(COUNT, generator=torch.Generator().manual_seed(seed))
    if leaked is not None:
        probability[leaked] = 0.9
    return made(forget=with_probability(probability))


ORIGINAL = made(forget=with_probability(torch.full((COUNT,), 0.95)))


def test_a_gold_that_saw_five_of_a_hundred_examples_is_named() -> None:
    found = gold_that_saw_some(
        ORIGINAL, {"gold 1": gold(1), "gold 2": gold(2, torch.arange(40, 45)), "gold 3": gold(3)}
    )
    assert [one.about for one in found] == ["gold 2"]
    assert "5 of the 100 examples to forget (for one 'row-40')" in found[0].sentence
    assert not found[0].invalidates


def test_golds_that_saw_nothing_are_not_named() -> None:
    named = [gold_that_saw_some(ORIGINAL, {f"gold {k}": gold(seed + k) for k in range(3)}) for seed in range(0, 90, 3)]
    assert not any(named)


def test_what_every_model_can_guess_is_no_leak() -> None:
    easy = torch.arange(30)
    assert gold_that_saw_some(ORIGINAL, {f"gold {k}": gold(k, easy) for k in range(3)}) == []


def test_one_gold_has_nothing_to_be_compared_with() -> None:
    assert gold_that_saw_some(ORIGINAL, {"gold 1": gold(1, torch.arange(50))}) == []
