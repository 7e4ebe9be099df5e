"""Retraining: gold and shadow models of a problem that can make them, where nobody gave any."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from lethe.examples import concatenate
from lethe.problem import Problem
from lethe.run import Run

SHADOW_SEED = 101
"""The first shadow model's: gold models count from 1, and one that starts alike would resemble them for that alone."""


def with_gold(problem: Problem, count: int, run: Run) -> tuple[Problem, float | None]:
    """Return the problem with gold models, and the seconds one took.

    Those given are taken as they are (None seconds); where there are none and the problem can retrain, `count` are
    trained on the retain set, with seeds 1, 2, 3 …
    """
    if problem.gold or problem.retrain is None or problem.retain is None or count == 0:
        return problem, None
    start, golds = time.perf_counter(), []
    with run.progress.bar("retraining gold models", count) as bar:
        for seed in range(1, count + 1):
            run.interrupt_point()
            golds.append(problem.retrain(problem.retain, seed))
            bar.advance()
    return replace(problem, gold=tuple(golds)), (time.perf_counter() - start) / count


def with_shadows(originals: Sequence[nn.Module], problem: Problem, count: int, run: Run) -> Sequence[nn.Module]:
    """Return models trained on everything: those given, or `count` trained on retain and forget set.

    There are none where the problem cannot retrain.
    """
    if originals or problem.retrain is None or problem.retain is None or count == 0:
        return originals
    everything, found = concatenate(problem.retain, problem.forget), []
    with run.progress.bar("training shadow models", count) as bar:
        for seed in range(SHADOW_SEED, SHADOW_SEED + count):
            run.interrupt_point()
            found.append(problem.retrain(everything, seed))
            bar.advance()
    return found
