"""Attack: tries to bring back what a model is said to have forgotten, and reports how much it took."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import nn

from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification, Task


class Attack(ABC):
    """One way to bring the forget set back. Subclasses are frozen dataclasses: their fields are its settings.

    Class attributes:
        title: what tables call it.
        unit: unit of the value, as for metrics; empty for a count.
        tasks: the kinds of model it attacks.
        goal: which value is best, as for metrics.
        needs: the optional parts of Problem it reads.
    """

    title: ClassVar[str]
    unit: ClassVar[str] = ""
    kind: ClassVar[Literal["recovery"]] = "recovery"
    goal: ClassVar[Literal["gold", "max", "min"]] = "gold"
    needs: ClassVar[frozenset[str]] = frozenset()
    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)

    @abstractmethod
    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Attack a copy of the model and return what came back.

        The same run gives the same batches in the same order, so that models are attacked alike.

        Args:
            model: the model under attack; it is left as it is.
            problem: what was to be forgotten; its model is the original.
            run: seed, device and progress.

        Returns:
            The value under the attack, and in the details `before` (the same quantity without the attack, where that
            makes sense), `cost` (what it took: steps, queries, tokens, seconds), `curve` ([budget, value] pairs),
            `examples` (at most 5 of {prompt, answer, said}), and `censored` where the attack gave up at its limit and
            the true value lies beyond.

        Raises:
            AuditIncomplete: what the attack needs was not named (a generator, a judge, another data set).
        """

    def measured(self, model: nn.Module, problem: Problem, run: Run, known: Measurements) -> Score:
        """Return the same as a call; attacks that ask models override it and look up what was asked before.

        Args:
            model: the model under attack.
            problem: what was to be forgotten.
            run: seed, device and progress.
            known: earlier measurements, which are looked up first and added to.
        """
        return self(model, problem, run)

    def resolution(self, problem: Problem) -> float:
        """Return the smallest difference that means anything, the least spread gold models are credited with."""
        return 1.0
