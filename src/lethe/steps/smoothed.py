"""Steps that descend a smoothed form of the forget term, so that little training cannot bring back what it took."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.parallel import require_whole
from lethe.steps.base import TINY, Step, gradients, moving, norm, restored, shift
from lethe.terms import Gradients, Terms


@dataclass(frozen=True)
class SmoothedStep(Step):
    """Replaces the gradient of one term by that of a smoothed form; the other terms' gradient is that at θ.

    Args:
        on: the terms that are smoothed: the `forget` term alone, or `all`.
    """

    on: Literal["forget", "all"] = field(default="forget", kw_only=True)

    def requirements(self) -> frozenset[str]:
        """The forget term, where it alone is smoothed."""
        return frozenset({"forget"}) if self.on == "forget" else frozenset()

    @abstractmethod
    def smoothed(self, weights: list[Tensor], terms: Terms, gradient: Gradients) -> Gradients:
        """Return the gradient of the smoothed form of L, given ∇L(θ); the weights are as they were afterwards."""

    def gradient(self, weights: list[Tensor], terms: Terms) -> Gradients:
        """Return ∇L at the current weights."""
        terms.backward(weights, only={"forget"} if self.on == "forget" else None)
        return gradients(weights)

    def curvature(self, weights: list[Tensor], terms: Terms, along: Gradients) -> Gradients:
        """Return ∇²L v at the current weights."""
        return terms.curvature(weights, along, "forget" if self.on == "forget" else None)

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once."""
        weights = moving(optimizer)
        optimizer.zero_grad(set_to_none=True)
        if self.on == "forget":
            here, rest, values = terms.split(weights)
        else:
            values = terms.backward(weights)
            # An optimiser passes over weights that no term reaches.
            weights = [w for w in weights if w.grad is not None]
            here = gradients(weights)
            rest = [torch.zeros_like(w) for w in weights]
        for weight, one, other in zip(weights, self.smoothed(weights, terms, here), rest, strict=True):
            weight.grad = one + other
        optimizer.step()
        return values


@dataclass(frozen=True)
class RandomSmoothing(SmoothedStep):
    """Step with the forget term's mean gradient around θ: (1/S) Σ_s ∇L(θ + δ_s), δ_s ~ N(0, σ² I).

    Args:
        sigma: σ, in units of the weights; below a tenth of their own standard deviation unless the model is large.
        samples: S, forward and backward passes a step.
        on: the terms that are smoothed: the `forget` term alone, or `all`.

    Source: Fan et al. 2025, arXiv:2502.05374 (RS).
    """

    sigma: float = 0.01
    samples: int = 3

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigurationError(f"samples must be at least 1, not {self.samples}")

    def smoothed(self, weights: list[Tensor], terms: Terms, gradient: Gradients) -> Gradients:
        """Return the mean gradient over S points nearby."""
        require_whole(terms.parallel, "random smoothing")
        total = [torch.zeros_like(w) for w in weights]
        generator = terms.generator(weights[0].device)
        for _ in range(self.samples):
            with restored(weights):
                with torch.no_grad():
                    for weight in weights:
                        noise = torch.randn(weight.shape, generator=generator, device=weight.device, dtype=weight.dtype)
                        weight.add_(noise, alpha=self.sigma)
                torch._foreach_add_(total, self.gradient(weights, terms), alpha=1 / self.samples)
        return total


@dataclass(frozen=True)
class GradientPenalty(SmoothedStep):
    """Descend L + ρ ‖∇L(θ)‖₂ with L the forget term: ∇L + ρ H g/‖g‖ by differentiating twice.

    The release turns the norm into a number first, so that its penalty has no gradient at all.

    Args:
        rho: weight ρ of the gradient's norm.
        on: the terms that are smoothed: the `forget` term alone, or `all`.

    Source: Fan et al. 2025, arXiv:2502.05374 (GP).
    """

    rho: float = 0.01

    def smoothed(self, weights: list[Tensor], terms: Terms, gradient: Gradients) -> Gradients:
        """Return ∇L + ρ H g/‖g‖."""
        unit = torch._foreach_div(gradient, norm(gradient) + TINY)
        penalty = self.curvature(weights, terms, list(unit))
        return list(torch._foreach_add(gradient, penalty, alpha=self.rho))


@dataclass(frozen=True)
class CurvatureRegularisation(SmoothedStep):
    """Descend L + γ ‖∇L(θ + μv) - ∇L(θ)‖₂, v = ∇L/‖∇L‖ held fixed, with L the forget term.

    The norm is the curvature along the gradient, by a finite difference; its own gradient is exact. The release
    turns it into a number first, so that it has no gradient, and descends L twice.

    Args:
        gamma: weight γ of the curvature.
        mu: distance μ at which the second gradient is taken, in units of the weights.
        on: the terms that are smoothed: the `forget` term alone, or `all`.

    Source: Fan et al. 2025, arXiv:2502.05374 (CR).
    """

    gamma: float = 0.01
    mu: float = 0.01

    def smoothed(self, weights: list[Tensor], terms: Terms, gradient: Gradients) -> Gradients:
        """Return ∇L + γ (H(θ + μv) - H(θ)) d/‖d‖, d the difference of the two gradients."""
        with restored(weights):
            shift(weights, gradient, float(self.mu / (norm(gradient) + TINY)))
            apart = torch._foreach_sub(self.gradient(weights, terms), gradient)
            unit = list(torch._foreach_div(apart, norm(apart) + TINY))
            there = self.curvature(weights, terms, unit)
        change = torch._foreach_sub(there, self.curvature(weights, terms, unit))
        return list(torch._foreach_add(gradient, change, alpha=self.gamma))
