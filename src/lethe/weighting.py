"""Weighting: how much each forget example counts in its term, or how often each retain example is drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.errors import InputError
from lethe.examples import Batch, Examples
from lethe.measuring import evaluation, example_losses
from lethe.tasks import Classification, as_classification

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run

Weigh = Callable[[nn.Module, Batch], Tensor]


class Weighting(ABC):
    """Gives every forget example of a batch a weight with mean 1. Subclasses are frozen dataclasses.

    Class attributes:
        weighs: the sets it gives weights: a method that has no term of theirs has no use for it.
    """

    weighs: ClassVar[frozenset[str]] = frozenset({"forget"})

    @abstractmethod
    def bind(self, problem: Problem, run: Run) -> Weigh | None:
        """Return (model, forget batch) -> [B] weights without gradient, or None for equal weights."""

    def shares(self, problem: Problem) -> Tensor | None:
        """Return how often each retain example is drawn in proportion, [N_r], or None where a method's own order holds.

        With shares, every place of a retain example in the method's batches is taken by one drawn with replacement.
        """
        return None


@dataclass(frozen=True)
class Uniform(Weighting):
    """Every example counts the same."""

    weighs: ClassVar[frozenset[str]] = frozenset()

    def bind(self, problem: Problem, run: Run) -> Weigh | None:
        """Return None: there is nothing to weigh."""
        return None


@dataclass(frozen=True)
class LossReweighting(Weighting):
    """Weigh the examples the model fits best most: w_i = exp(-ℓ_i / τ), B·w_i / Σ_j w_j within a batch.

    ℓ_i is the true-label loss in eval mode, whatever loss the method forgets with.

    Args:
        temperature: τ as a multiple of the original model's median loss on the forget set; infinity weighs all alike.
        reference: `static` takes ℓ from the original model once, `dynamic` from the current model at every step
            (one more forward pass over the forget batch).
        normalise: bring the mean weight of a batch to 1; without it the weights fall as examples are forgotten.

    Source: LoReUn, arXiv:2507.22499.
    """

    temperature: float = 1.0
    reference: Literal["static", "dynamic"] = "static"
    normalise: bool = True

    def bind(self, problem: Problem, run: Run) -> Weigh:
        """Return the weights by example, from one pass of the original model over the forget set."""
        original = example_losses(problem.model, problem.task, problem.forget, run)
        tau = self.temperature * float(original.median().clamp_min(torch.finfo(torch.float32).tiny))

        def weigh(model: nn.Module, batch: Batch) -> Tensor:
            if self.reference == "static":
                losses = original[batch.rows]
            else:
                losses = current_losses(model, batch)
            # Subtracting the minimum changes nothing after normalisation and keeps exp from underflowing.
            shift = losses.min() if self.normalise else losses.new_zeros(())
            weights = torch.exp(-(losses - shift) / tau)
            if self.normalise:
                weights = len(weights) * weights / weights.sum()
            return weights.to(run.device)

        def current_losses(model: nn.Module, batch: Batch) -> Tensor:
            with evaluation(model):
                return problem.task.losses(model, batch)

        return weigh


@dataclass(frozen=True)
class Reweight(Weighting):
    """Draw retain examples so that groups stand in them as in all training data: w_g = N_g(train) / N_g(retain).

    A group is a class and, with `sensitive`, a value of that attribute: g = s + y |S|. It is a weighting of the retain
    set for methods that train on it; forget examples all count the same. Where nothing of a group was forgotten more
    often than of others, all weights are alike.

    Args:
        sensitive: column of the sensitive attribute, integers from 0; empty takes the classes for groups.

    Source: De Min et al. 2025, Group-robust machine unlearning, arXiv:2503.09330 (REWEIGHT).
    """

    weighs: ClassVar[frozenset[str]] = frozenset({"retain"})

    sensitive: str = ""

    def bind(self, problem: Problem, run: Run) -> Weigh | None:
        """Return None: forget examples all count the same."""
        return None

    def shares(self, problem: Problem) -> Tensor:
        """Return the weight w_g of each retain example, [N_r].

        Raises:
            InputError: the column is no list of integers from 0, or nothing is kept of a group.
        """
        forgotten, kept = groups(problem, as_classification(problem.task, "reweight"), self.sensitive)
        return group_weights(forgotten, kept)[kept]


def groups(problem: Problem, task: Classification, sensitive: str) -> tuple[Tensor, Tensor]:
    """Return the group g = s + y |S| of each forget and of each retain example, [N_f] and [N_r] int64.

    Args:
        problem: both sets.
        task: names the column of the classes y.
        sensitive: column of the sensitive attribute s; empty for |S| = 1.

    Raises:
        InputError: the column is missing or holds something else than integers from 0.
    """
    sets = (problem.forget, problem.kept)
    attributes = [attribute(examples, sensitive) for examples in sets]
    values = 1 + max(int(column.max()) for column in attributes)
    found = [
        column + values * examples.tensor(task.label).long() for column, examples in zip(attributes, sets, strict=True)
    ]
    return found[0], found[1]


def attribute(examples: Examples, name: str) -> Tensor:
    """Return the values of a sensitive attribute, [N] int64; zeros where no column is named."""
    if not name:
        return torch.zeros(len(examples), dtype=torch.long)
    column = examples.tensor(name)
    wrong = ((column < 0) | (column != column.long())).reshape(len(examples), -1).any(1).nonzero().flatten()
    if column.dim() != 1 or len(wrong):
        at = f": example '{examples.ids[int(wrong[0])]}' has {column[int(wrong[0])].tolist()}" if len(wrong) else ""
        raise InputError(f"the column '{name}' does not number groups{at}; give one integer from 0 for each example")
    return column.long()


def group_weights(forgotten: Tensor, kept: Tensor) -> Tensor:
    """Return w_g = N_g(train) / N_g(retain), [G] float64; 1 for groups that have no example at all.

    Raises:
        InputError: all examples of a group are to be forgotten: none is left to stand for it.

    >>> group_weights(torch.tensor([0, 0]), torch.tensor([0, 1, 1]))
    tensor([3., 1.], dtype=torch.float64)
    """
    count = 1 + int(torch.cat([forgotten, kept]).max())
    gone, left = (torch.bincount(numbers, minlength=count) for numbers in (forgotten, kept))
    empty = ((left == 0) & (gone > 0)).nonzero().flatten()
    if len(empty):
        raise InputError(
            f"all {int(gone[empty[0]])} examples of group {int(empty[0])} are to be forgotten, and none of the retain "
            "set can stand for it; keep some, or do without reweighting"
        )
    return (gone + left).double() / left.clamp_min(1) + (left == 0).double()
