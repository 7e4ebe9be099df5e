"""Relearn time of a regression model: the anamnesis index, in the steps of its paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lethe.auditing.attacks.relearn import Relearn
from lethe.errors import ConfigurationError
from lethe.examples import Examples, concatenate
from lethe.problem import Problem
from lethe.tasks import Regression, Task


@dataclass(frozen=True)
class RelearnValues(Relearn):
    """Relearn time of a regression model: optimiser steps until its forget error is near the original's.

    T = min{t : L(θ_t; D_f) ≤ (1 + slack) · L(θ_0; D_f)}; T by gold's is the anamnesis index (AIN), below 1 where
    something was left to build on. `details` hold the curve of the error by step. See `Relearn`.

    Args:
        criterion: `loss`: a regression model has no accuracy.
        lesson_from: what it is trained on: `everything`, retain and forget set as for the original (the source), or the
            `forget` set alone.
        batch_size: examples a step.

    Source: AIN of Tarun et al. 2022, arXiv:2210.08196 (slack 0.05, Adam, all training data).
    """

    criterion: Literal["accuracy", "probability", "loss"] = "loss"
    lesson_from: Literal["everything", "forget"] = "everything"

    tasks: ClassVar[tuple[type[Task], ...]] = (Regression,)
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.criterion != "loss":
            raise ConfigurationError(f"a regression model has no {self.criterion}; set criterion=loss")
        if self.slack < 0:
            raise ConfigurationError(f"slack must not be negative, not {self.slack}")

    def lesson(self, problem: Problem, forget: Examples) -> Examples:
        """Return all training data, or the forget examples that are looked at."""
        return forget if self.lesson_from == "forget" else concatenate(problem.kept, problem.forget)
