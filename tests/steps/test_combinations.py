"""Every step takes the same update from a batch in parts, and goes on to the same bits after a kill."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe import catalogue
from lethe.api import unlearn
from lethe.methods.baselines.gradient_ascent import NegGradPlus
from lethe.methods.descent.npo import NPO
from lethe.models import tensors
from lethe.steps import (
    SAM,
    UNO,
    Clip,
    Disruption,
    RandomSmoothing,
    Sophia,
    Surgery,
    WeightAveraging,
)
from lethe.testing import check_resumable
from lethe.testing.language import tiny_language_problem
from tests.helpers import tiny_problem

SETTINGS = {
    "weight_averaging": {"start": 2, "every": 1},
    "disruption": {"fork": 2, "adversary_rate": 0.1},
    "tamper_resistance": {"attack_steps": 3, "every": 1, "rates": (1e-3, 1e-2)},
    "sophia": {"every": 2},
}
STEPS = [
    *(catalogue.find("step", slug)(**SETTINGS.get(slug, {})) for slug in catalogue.entries("step")),
    SAM(on="forget"),
    UNO(alternate=True),
    Surgery(keep="forget"),
    Disruption(normalise="first", adversary_decay=0.7, fork=2),
    Sophia(estimate="hutchinson", every=2),
    Sophia(estimate="gradient", every=1, momentum_twice=True, inner=Clip(0.1)),
    Sophia(inner=SAM(on="forget")),
    WeightAveraging(start=1, every=1, inner=RandomSmoothing()),
    WeightAveraging(start=2, every=1, inner=Sophia(inner=Clip(0.1))),
    WeightAveraging(start=2, every=1, inner=Disruption()),
]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_parts_of_one_example_make_the_update_of_the_whole_batch(step):
    """In double precision: where a sign decides, a rounded zero would be enough to differ."""
    problem = tiny_language_problem()
    problem = dataclasses.replace(problem, model=problem.model.double(), gold=())
    method = NPO(step=step, epochs=1, batch_size=2, learning_rate=1e-3, warmup_epochs=0.0)
    whole, cut = (tensors(unlearn(problem, dataclasses.replace(method, micro_batch=most)).model) for most in (0, 1))
    start = tensors(problem.model)
    assert any(not torch.equal(whole[name], start[name]) for name in whole)
    for name in whole:
        torch.testing.assert_close(cut[name], whole[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_killed_run_goes_on_to_the_same_bits(step):
    check_resumable(NegGradPlus(step=step, epochs=3, batch_size=16, optimizer="adamw"), tiny_problem())
