"""Service: a trained predictor that deletes single examples exactly, and counts what that costs."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from torch import nn

from lethe.errors import InputError
from lethe.examples import Examples, concatenate
from lethe.methods.base import Method, settings
from lethe.methods.exact.chains import Weights
from lethe.methods.exact.ledger import Ledger
from lethe.models import fingerprint
from lethe.pool import Pool
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Task


@dataclass(frozen=True)
class Deletion:
    """What one request took.

    Attributes:
        ids: what was deleted.
        seconds: wall time.
        steps: optimiser steps.
        examples: examples that went through a model, forward and backward.
        notes: what the request left behind that its sender may want to know: a class or a shard without examples.
    """

    ids: tuple[str, ...]
    seconds: float
    steps: int = 0
    examples: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)


WEIGHTS = "weights"


class Service(ABC):
    """A predictor that answers requests for deletion."""

    _ledger: Ledger

    @property
    def live(self) -> tuple[str, ...]:
        """The ids it still rests on."""
        return self._ledger.live

    @abstractmethod
    def settle(self) -> None:
        """Take up what is kept, train what is missing, and erase what nothing rests on any more."""

    @abstractmethod
    def delete(self, ids: Sequence[str]) -> Deletion:
        """Forget these examples: what is left is what training without them gives.

        A process that dies on the way leaves the service as it was before the request, or as it is after it.

        Raises:
            InputError: an id is unknown, was deleted before, or stands twice, or nothing would be left.
            StorageError: another request is in progress.
        """

    @abstractmethod
    def model(self) -> nn.Module:
        """Return what predicts now, in eval mode."""


class Deletable(Method):
    """A way of training that can be taken back exactly. Subclasses are frozen dataclasses."""

    exactness: ClassVar[str] = "exact"
    aims: ClassVar[str] = "removal"

    @abstractmethod
    def serve(self, base: nn.Module, task: Task, ledger: Ledger, run: Run, weights: Weights) -> Service:
        """Return the service that keeps these weights and this ledger; it is settled afterwards.

        Raises:
            InputError: the model is of a shape the system cannot serve.
        """

    def fit(
        self,
        base: nn.Module,
        task: Task,
        examples: Examples,
        *,
        run: Run | None = None,
        folder: Path | None = None,
        pool: Pool | None = None,
    ) -> Service:
        """Train on the examples, and return the service that can delete them.

        Args:
            base: the architecture, and the weights that training begins with where the system says so.
            task: how it is fed.
            examples: what it learns, with the ids that requests name.
            run: seed, device and progress; None takes seed 0 on the CPU.
            folder: where the service is kept; the same call again opens what is there. None keeps it in memory.
            pool: where independent parts are trained; None takes the run's.
        """
        self.check()
        run = run or Run()
        if pool is not None:
            run = dataclasses.replace(run, pool=pool)
        facts = {"system": settings(self), "seed": run.seed, "base": fingerprint(base)}
        ledger = Ledger.opened(examples, folder, facts)
        weights = Weights(folder / WEIGHTS if folder is not None else None)
        service = self.serve(base, task, ledger, run, weights)
        service.settle()
        return service

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Return what predicts after training on everything and deleting the forget set."""
        folder = run.checkpoints.folder if run.checkpoints is not None else None
        everything = concatenate(problem.kept, problem.forget)
        service = self.fit(problem.model, problem.task, everything, run=run, folder=folder)
        gone = set(problem.forget.ids)
        left = [name for name in service.live if name in gone]
        if left:  # an interrupted run may have deleted them already
            service.delete(left)
        return service.model()


def linear_head(task: Task, model: nn.Module, who: str) -> nn.Linear:
    """Return the model's last layer; raises InputError where it is not the linear one that `who` works on."""
    head = task.head(model)
    if not isinstance(head, nn.Linear):
        raise InputError(f"the head is a {type(head).__name__}, and {who} works on a linear one; name another head")
    return head
