"""Evidence on the digits world that the tests of the auditor share."""

from __future__ import annotations

import pytest
from torch import nn

from lethe.auditing import Audit, Auditor, Evidence
from lethe.auditing.attacks.relearn import Relearn
from lethe.problem import Problem
from lethe.worlds.digits import Digits

# Ten times the default's step: gold memorises the wrong labels in 70 steps instead of 400.
QUICK = Relearn(learning_rate=1e-2)


@pytest.fixture(scope="session")
def fourth_gold() -> nn.Module:
    """A gold model that is not among the problem's own."""
    return Digits("mislabelled").gold((4,))[0]


@pytest.fixture(scope="session")
def auditor(mislabelled: Problem) -> Auditor:
    """All metrics and a quick attack on the mislabelled digits, with two further originals."""
    originals = [Digits("mislabelled").original(seed) for seed in (1, 2)]
    return Audit(attacks=(QUICK,), resamples=40).on(mislabelled, originals=originals)


@pytest.fixture(scope="session")
def on_original(auditor: Auditor, mislabelled: Problem) -> Evidence:
    """Evidence on the original, handed in as if it were unlearned."""
    return auditor(mislabelled.model, name="nothing done", cost={"seconds": 2.0}, retrain_seconds=8.0)


@pytest.fixture(scope="session")
def on_gold(auditor: Auditor, fourth_gold: nn.Module) -> Evidence:
    """Evidence on a further gold model, handed in as if it were unlearned."""
    return auditor(fourth_gold, name="gold 4")
