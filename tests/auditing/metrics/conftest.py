"""Measured models of the digits world that the tests of metrics share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from lethe.auditing.measure import measure
from lethe.auditing.metric import References, Rows
from lethe.problem import Problem
from lethe.run import Run
from lethe.worlds.digits import Digits

SEEDS = tuple(range(8))


def reader(problem: Problem) -> Callable[[nn.Module], Rows]:
    named = {"forget": problem.forget, "retain": problem.retain, "holdout": problem.holdout}
    sets = {name: examples for name, examples in named.items() if examples is not None}
    return lambda model: measure(model, problem.task, sets, Run())


@pytest.fixture(scope="session")
def originals() -> list[Rows]:
    """Networks that memorised the wrong labels, one a seed."""
    world = Digits("mislabelled")
    read = reader(world.problem())
    return [read(world.original(seed)) for seed in SEEDS]


@pytest.fixture(scope="session")
def golds() -> list[Rows]:
    """Networks that never saw the wrong labels, one a seed."""
    world = Digits("mislabelled")
    read = reader(world.problem())
    return [read(world.gold((seed,))[0]) for seed in SEEDS]


@pytest.fixture(scope="session")
def against(originals: list[Rows], golds: list[Rows]) -> References:
    """The original of seed 0 and three golds."""
    return References(original=originals[0], gold=tuple(golds[1:4]))
