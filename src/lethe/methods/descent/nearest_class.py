"""Nearest class: forget examples are moved to the nearest class but their own, until they are told as if unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import feeds
from lethe.descent import Descent
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples, shuffled
from lethe.feeds import Rows
from lethe.measuring import example_outputs
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification, as_classification

GONE = 0.01


@dataclass(frozen=True, kw_only=True)
class NearestClass(Descent):
    """What DUCK and SCAR share: the order of batches, the fall of the learning rate and the rule that ends a run.

    Each forget batch stands beside several retain batches, one step each. Between two epochs the forget accuracy is
    taken in eval mode; below its target the run ends.

    Args:
        retain_batches: k, most retain batches beside each forget batch.
        milestones: epochs after which the learning rate is halved.
        stop_accuracy: forget accuracy to fall below; 0 runs all epochs. None takes 0.01 for examples of classes that
            are removed as a whole and the original's accuracy on the holdout set for the others, by their shares.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout"})
    aims: ClassVar[str] = "suppression"

    epochs: int = 30
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    retain_batches: int = 5
    milestones: tuple[int, ...] = (25, 40)
    stop_accuracy: float | None = None

    def requirements(self) -> frozenset[str]:
        """The holdout set only where the stopping rule reads it."""
        return super().requirements() - (frozenset() if self.stop_accuracy is None else {"holdout"})

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if self.retain_batches < 1:
            raise ConfigurationError(f"retain_batches must be at least 1, not {self.retain_batches}")
        if self.stop_accuracy is not None and not 0 <= self.stop_accuracy <= 1:
            raise ConfigurationError(f"stop_accuracy must be in [0, 1], not {self.stop_accuracy}")

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """Return each forget batch beside the first k of a fresh shuffle of the retain set."""
        planned: list[Rows] = []
        for place, (rows, _) in enumerate(feeds.forget_pass(problem, run, epoch, self.batch_size)):
            order = shuffled(len(problem.kept), self.batch_size, run.generator("retain beside", epoch, place))
            planned += [(rows, kept) for kept in order[: self.retain_batches]]
        return planned

    def rate(self, step: int, total: int) -> float:
        """Return the factor on the learning rate at a step, halved at each milestone."""
        epoch = step * self.epochs // total
        return float(super().rate(step, total) * 0.5 ** sum(epoch >= milestone for milestone in self.milestones))

    def enough(self, problem: Problem, run: Run) -> Callable[[nn.Module], bool] | None:
        """Return whether the forget accuracy is below its target."""
        if self.stop_accuracy == 0:
            return None
        task = as_classification(problem.task, type(self).__name__)
        target = self.stop_accuracy
        if target is None:
            assert problem.holdout is not None
            labels, gone = problem.forget.tensor(task.label).long(), self.gone(problem, task)
            share = float(torch.isin(labels, gone).float().mean())
            seen = accuracy(problem.model, task, problem.holdout, run) if share < 1 else 0.0
            target = share * GONE + (1 - share) * seen

        def forgotten(model: nn.Module) -> bool:
            return accuracy(model, task, problem.forget, run) < target

        return forgotten

    def gone(self, problem: Problem, task: Classification) -> Tensor:
        """Return the classes that are removed as a whole: of forget examples, and of no retain example."""
        return removed_classes(problem.forget.tensor(task.label), problem.kept.tensor(task.label))


def accuracy(model: nn.Module, task: Classification, examples: Examples, run: Run) -> float:
    """Return the share of examples that the model gets right in eval mode."""
    said = example_outputs(model, task, examples, run).argmax(1)
    return float((said == examples.tensor(task.label)).float().mean())


def removed_classes(forget: Tensor, retain: Tensor) -> Tensor:
    """Return the classes of forget labels that no retain label has, in order.

    >>> removed_classes(torch.tensor([3, 1, 3]), torch.tensor([0, 1, 1]))
    tensor([3])
    """
    gone = forget.long().unique()
    return gone[~torch.isin(gone, retain.long())]


def nearest_wrong(distances: Tensor, labels: Tensor, there: Tensor, what: str) -> Tensor:
    """Return argmin_{i ≠ y} d_i for each example, among the classes that are there, [N].

    Classes keep their numbers: in the published code a removed class shifts those above it, and one of them is never
    chosen.

    Args:
        distances: [N, C].
        labels: [N] classes y.
        there: [C] whether a class may be chosen.
        what: what the classes are known from, for the message.

    Raises:
        InputError: for some example no other class is left.

    >>> distances, there = torch.tensor([[0.1, 9.0, 0.3]]), torch.tensor([True, False, True])
    >>> nearest_wrong(distances, torch.tensor([0]), there, "the retain set")
    tensor([2])
    """
    wrong = distances.masked_fill(~there, float("inf")).scatter(1, labels.unsqueeze(1), float("inf"))
    nearest = wrong.argmin(1)
    lost = (wrong.gather(1, nearest.unsqueeze(1)).squeeze(1) == float("inf")).nonzero().flatten()
    if len(lost):
        raise InputError(
            f"{what} knows no class but {int(labels[int(lost[0])])}, which is to be forgotten; "
            "there must be another class that its examples can go to"
        )
    return nearest
