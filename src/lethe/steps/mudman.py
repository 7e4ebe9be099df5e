"""MUDMAN: unlearn an adversary that keeps relearning, where that does the retain loss no harm, at a set pace."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.parallel import require_whole
from lethe.steps.base import TINY, Step, gradients, memory, moving, norm, restored
from lethe.terms import Gradients, Terms


@dataclass(frozen=True)
class Disruption(Step):
    """Meta-learning, disruption masking and normalisation: one step of MUDMAN on the weights θ, with an adversary φ.

    Every K-th step begins with φ ← θ. Then, with R the running mean of the retain gradient, L_a the training loss on
    the forget batch and L_u the forget term,

        R ← m R + (1 - m) ∇L_r(θ),    θ ← θ - η_r R
        g ← ∇L_u(φ),                  φ ← φ - η_a ∇L_a(φ)
        θ ← θ - η_u (c / ‖g‖₂) · g ⊙ [sign g = sign R]

    so that no entry's last move raises the retain loss, to first order. All three are steps of plain gradient descent:
    the method's optimiser and weight decay are left out. η_u is the learning rate; where that follows a schedule, so
    do η_r and η_a. φ is kept beside the weights.

    Args:
        retain_rate: η_r.
        adversary_rate: η_a; 0 leaves the adversary out.
        fork: K, steps between two fresh starts of the adversary.
        momentum: m.
        adversary_decay: λ of φ ← λ φ + (1 - λ) θ after each step.
        normalise: c: `root` is √|θ|, so that η_u is the root mean square an entry moves by before masking; `one` is 1;
            `first` is ‖g‖ at the first step; `none` leaves c/‖g‖ out.
        mask: whether entries whose signs differ are left out.

    Source: Sondej et al. 2025, MUDMAN, arXiv:2506.12484.
    """

    retain_rate: float = 1e-3
    adversary_rate: float = 1e-3
    fork: int = 32
    momentum: float = 0.9
    adversary_decay: float = 1.0
    normalise: Literal["root", "one", "first", "none"] = "root"
    mask: bool = True

    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})

    def __post_init__(self) -> None:
        if self.fork < 1:
            raise ConfigurationError(f"fork must be at least 1, not {self.fork}")

    def optimizer(
        self, weights: Sequence[nn.Parameter], learning_rate: float, weight_decay: float
    ) -> torch.optim.Optimizer:
        """Return plain descent, which holds η_u and what the step remembers."""
        return torch.optim.SGD([{"params": list(weights), "initial_lr": learning_rate}], lr=learning_rate)

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once."""
        require_whole(terms.parallel, "a step that keeps an adversary")
        weights, kept = moving(optimizer), memory(optimizer)
        rate, schedule = _rates(optimizer)
        if kept.get("steps of mudman", 0) % self.fork == 0:
            _copy(_kept(kept, "adversary", weights), weights)
        optimizer.zero_grad(set_to_none=True)
        values = terms.backward(weights, but={"forget"})
        running = _kept(kept, "retain", weights)
        torch._foreach_lerp_(running, gradients(weights), 1 - self.momentum)
        with torch.no_grad():
            torch._foreach_add_(weights, running, alpha=-self.retain_rate * schedule)
        unlearning = self._against_adversary(weights, terms, kept, schedule)
        length = norm(unlearning)
        kept.setdefault("first norm", float(length))
        with torch.no_grad():
            for weight, gradient, retain in zip(weights, unlearning, running, strict=True):
                allowed = gradient * (gradient.sign() == retain.sign()) if self.mask else gradient
                weight.sub_(rate * self._pace(weights, length, kept["first norm"]) * allowed)
        kept["steps of mudman"] = kept.get("steps of mudman", 0) + 1
        return values

    def _against_adversary(
        self, weights: list[Tensor], terms: Terms, kept: dict[str, Any], schedule: float
    ) -> Gradients:
        """Return ∇L_u(φ) and let φ relearn; it sets out from θ as it was before the step."""
        adversary = _kept(kept, "adversary", weights)
        with restored(weights):
            _copy(weights, adversary)
            terms.backward(weights, only={"forget"})
            unlearning = gradients(weights)
            if self.adversary_rate:
                terms.asked("forget").backward(weights)
                torch._foreach_add_(adversary, gradients(weights), alpha=-self.adversary_rate * schedule)
        if self.adversary_decay != 1:
            torch._foreach_lerp_(adversary, [w.detach() for w in weights], 1 - self.adversary_decay)
        return unlearning

    def _pace(self, weights: list[Tensor], length: Tensor, first: float) -> Tensor | float:
        """Return c / ‖g‖."""
        if self.normalise == "none":
            return 1.0
        scale = {"root": math.sqrt(sum(w.numel() for w in weights)), "one": 1.0, "first": first}[self.normalise]
        return scale / (length + TINY)


@torch.no_grad()
def _copy(into: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    torch._foreach_copy_(list(into), list(values))


def _rates(optimizer: torch.optim.Optimizer) -> tuple[float, float]:
    """Return η_u, and where the schedule stands: what the other rates are multiplied by."""
    rate, initial = (float(optimizer.param_groups[0][key]) for key in ("lr", "initial_lr"))
    return rate, rate / initial if initial else 0.0


@torch.no_grad()
def _kept(kept: dict[str, Any], name: str, weights: Sequence[Tensor]) -> Gradients:
    """Return what is remembered by this name, one tensor a weight beside it; zeros at first."""
    for i, weight in enumerate(weights):
        key = f"{name} {i}"
        kept[key] = kept[key].to(weight.device) if key in kept else torch.zeros_like(weight)
    return [kept[f"{name} {i}"] for i in range(len(weights))]
