from __future__ import annotations

import torch
from torch import Tensor

from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.likelihood_ratio import ULiRA
from tests.auditing.metrics.made import made, set_rows


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
