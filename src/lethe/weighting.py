"""Weighting: how much each forget example counts in its term."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from lethe.examples import Batch
from lethe.measuring import evaluation, example_losses

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run

Weigh = Callable[[nn.Module, Batch], Tensor]


class Weighting(ABC):
    """Gives every forget example of a batch a weight with mean 1. Subclasses are frozen dataclasses."""

    @abstractmethod
    def bind(self, problem: Problem, run: Run) -> Weigh | None:
        """Return (model, forget batch) -> [B] weights without gradient, or None for equal weights."""


@dataclass(frozen=True)
class Uniform(Weighting):
    """Every example counts the same."""

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
