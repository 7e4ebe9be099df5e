"""While a method runs there is the original and the model that moves, and no third: outputs are kept, not teachers."""

from __future__ import annotations

import gc

import pytest
import torch

from lethe.api import unlearn
from lethe.methods.baselines.bad_teacher import BadTeacher
from lethe.methods.baselines.scrub import Scrub
from lethe.methods.descent.loreun import LoReUn
from lethe.methods.descent.salun import SalUn
from lethe.run import Run
from lethe.scopes import Magnitude, RandomMask, Saliency
from tests.helpers import Tiny, tiny_problem

METHODS = [BadTeacher(epochs=2), Scrub(epochs=1), SalUn(epochs=1), SalUn(epochs=1, soft=True), LoReUn(epochs=1)]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_no_third_model_is_alive_while_a_method_runs(method):
    problem = tiny_problem()
    gc.collect()
    before = alive()
    counts = []

    def watch(model):
        gc.collect()
        counts.append(alive() - before)
        return {}

    unlearn(problem, method, watch=watch, watch_every=1)
    assert set(counts) == {1}


def alive() -> int:
    return sum(isinstance(one, Tiny) for one in gc.get_objects())


@pytest.mark.parametrize("scope", [Saliency(0.5), Magnitude(0.5), RandomMask(0.5)])
def test_masks_are_boolean(scope):
    flags = scope.mask(tiny_problem(), Run()).allowed.values()
    assert all(isinstance(flag, torch.Tensor) and flag.dtype == torch.bool for flag in flags)
