from __future__ import annotations

import pytest
import torch

from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.oracle import OracleMatching
from tests.auditing.metrics.made import made, set_rows, telling, told


def answering(*logits: tuple[float, float]) -> Rows:
    return made(forget=set_rows(torch.tensor(logits), torch.zeros(len(logits), dtype=torch.long)))


def test_it_is_the_squared_distance_from_the_mean_of_gold() -> None:
    golds = (answering((1.0, -1.0), (0.0, 0.0)), answering((3.0, -3.0), (0.0, 0.0)))
    # The oracle is (2, -2) and (0, 0); the model is 1 and 1 away, the original 2 and 0.
    model, original = answering((1.0, -1.0), (1.0, -1.0)), answering((4.0, -4.0), (0.0, 0.0))
    score = OracleMatching()(model, References(original, gold=golds))
    assert score.value == pytest.approx(1.0)
    assert score.details["of_original"] == pytest.approx(1 / 2)
    assert score.details["oracles"] == 2


def test_a_constant_added_to_all_logits_is_no_distance() -> None:
    model, shifted = answering((1.0, -1.0)), answering((6.0, 4.0))
    assert OracleMatching()(shifted, References(model, gold=(model,))).value == pytest.approx(0, abs=1e-12)


def test_answers_are_compared_token_by_token() -> None:
    model, gold = telling(forget=told([[-1.0, -2.0], [-3.0]])), telling(forget=told([[-1.0, -4.0], [-3.0]]))
    assert OracleMatching()(model, References(gold, gold=(gold,))).value == pytest.approx(4 / 3)


def test_the_original_is_farther_from_the_oracle_than_a_further_gold_and_training_on_the_oracle_brings_it_near(
    originals: list[Rows], golds: list[Rows]
) -> None:
    """Card: matching the oracle takes at least half of the original's distance away."""
    against = References(originals[0], gold=tuple(golds[1:8]))
    original, gold = (OracleMatching()(one, against) for one in (originals[0], golds[0]))
    assert original.details["of_original"] == 1
    assert gold.details["of_original"] < 0.5
    assert gold.details["retain"] < 2 * original.details["retain"]
