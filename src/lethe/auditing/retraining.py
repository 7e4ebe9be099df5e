"""Retraining: the gold models of a problem that can make them, where nobody gave any."""

from __future__ import annotations

import time
from dataclasses import replace

from lethe.problem import Problem
from lethe.run import Run


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
