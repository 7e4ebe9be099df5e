"""Timing: how fast this machine trains the model at hand, to turn training passes into an estimate of time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from lethe.models import copied
from lethe.problem import Problem
from lethe.recommend.facts import Passes

BATCH = 8
ROUNDS = 3


@dataclass(frozen=True)
class Pace:
    """Speed and sizes.

    Args:
        seconds_per_example: one example forward and backward, in a batch of 8 at most.
        forget: number of forget examples.
        retain: number of retain examples; None where it is not known.
    """

    seconds_per_example: float
    forget: int
    retain: int | None

    def seconds(self, cost: Passes) -> float | None:
        """Return the time of so many passes, None where it depends on a retain set that nobody named.

        >>> Pace(0.01, forget=100, retain=None).seconds(Passes(forget=10.0, retain=0.0))
        10.0
        """
        examples = cost.examples(self.forget, self.retain)
        return None if examples is None else examples * self.seconds_per_example


def pace(problem: Problem, device: torch.device, retain_known: bool) -> Pace:
    """Time a few training passes over the first forget examples; the first warms up, the fastest of the rest counts."""
    model = copied(problem.model).to(device)
    batch = problem.task.prepare(problem.forget.batch(torch.arange(min(BATCH, len(problem.forget))))).to(device)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        problem.task.losses(model, batch).mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    retain = len(problem.retain) if retain_known and problem.retain is not None else None
    return Pace(min(times[1:]) / len(batch), len(problem.forget), retain)
