from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.likelihood_ratio import ULiRA
from lethe.auditing.metrics.signals import logit
from tests.auditing.metrics.made import made, set_rows, telling, told


def confident(margins: Tensor) -> Rows:
    """A model of two classes whose logit-scaled confidence on each forget example is the one given."""
    logits = torch.stack([margins, torch.zeros_like(margins)], dim=1)
    return made(forget=set_rows(logits, torch.zeros(len(margins), dtype=torch.long)))


def test_an_example_is_judged_by_which_ensemble_it_is_nearer_to() -> None:
    seen, unseen = torch.tensor([4.0, 4.0, -4.0, 4.0]), torch.tensor([0.0, 0.0, 0.0, 0.0])
    against = References(
        confident(seen), gold=(confident(unseen - 0.1), confident(unseen + 0.1)), originals=(confident(seen),)
    )
    # The third example is one that training makes less confident: there -3 gives it away and +3 does not.
    score = ULiRA()(confident(torch.tensor([3.0, 1.0, -3.0, 2.5])), against)
    assert score.value == 3 / 4


def test_the_original_is_found_out_and_gold_is_not(originals: list[Rows], golds: list[Rows]) -> None:
    against = References(originals[0], gold=tuple(golds[1:4]), originals=tuple(originals[1:3]))
    trained, retrained = ULiRA()(originals[0], against), ULiRA()(golds[4], against)
    assert trained.value > 0.95
    assert trained.details["auc"] > 0.95
    assert retrained.value < 0.05
    assert 0.3 < retrained.details["auc"] < 0.7


def test_answers_of_language_models_are_judged_alike() -> None:
    def saying(*probabilities: float) -> Rows:
        return telling(forget=told([[math.log(p)] * 4 for p in probabilities]))

    against = References(
        saying(0.9, 0.9, 0.1), gold=(saying(0.2, 0.2, 0.6), saying(0.2, 0.2, 0.6)), originals=(saying(0.9, 0.9, 0.1),)
    )
    # Half way between the logits of 0.9 and 0.2 lies the probability 0.6; training made the third answer less likely.
    assert ULiRA()(saying(0.7, 0.5, 0.2), against).value == pytest.approx(2 / 3)
    assert ULiRA()(saying(1.0, 1.0, 0.1), against).value == 1
    assert ULiRA()(saying(0.2, 0.2, 0.6), against).details["auc"] == 0.5


def test_the_logit_of_a_probability_agrees_with_float64() -> None:
    for p in (1e-9, 0.3, 0.999, 1 - 1e-9):
        found = float(logit(torch.tensor([math.log(p)], dtype=torch.float64)))
        assert found == pytest.approx(math.log(p) - math.log1p(-p), abs=1e-6)
