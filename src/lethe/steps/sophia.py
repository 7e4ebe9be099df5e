"""Sophia: momentum over an estimate of the Hessian's diagonal, clipped entry by entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.steps.base import Step, gradients, moving
from lethe.steps.plain import Plain
from lethe.terms import Gradients, Terms

EPSILON = 1e-15


class ClippedNewton(torch.optim.Optimizer):
    """θ ← (1 - η λ) θ - η clip(m / max(ρ B h, ε), 1), m and h running means without bias correction, in float32.

    m is that of the gradients; h is that of the estimates of the Hessian's diagonal given to `estimate`, or of the
    squares of the gradients themselves.

    Args:
        groups: the weights, as for any optimiser.
        lr: η, the farthest any entry moves in a step.
        betas: how much of m and of h is kept at an update.
        scale: ρ B.
        squares_every: steps between two updates of h by the squared gradient; 0 leaves h to `estimate`.
        momentum_updates: how often a step mixes its gradient into m.
        weight_decay: λ.

    Source: Liu et al. 2023, arXiv:2305.14342, algorithm 3; Jia et al. 2024, SOUL, arXiv:2404.18239.
    """

    def __init__(
        self,
        groups: Iterable[Any],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.95),
        scale: float = 0.04 * 5120,
        squares_every: int = 0,
        momentum_updates: int = 1,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            groups,
            {
                "lr": lr,
                "betas": betas,
                "scale": scale,
                "squares_every": squares_every,
                "momentum_updates": momentum_updates,
                "weight_decay": weight_decay,
            },
        )

    @torch.no_grad()
    def estimate(self, diagonals: Sequence[Tensor]) -> None:
        """Update h with an estimate of the Hessian's diagonal, one tensor a weight, in the order of the groups."""
        weights = [(w, group["betas"][1]) for group in self.param_groups for w in group["params"]]
        for (weight, kept), diagonal in zip(weights, diagonals, strict=True):
            self._of(weight)["h"].lerp_(diagonal.float(), 1 - kept)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad.float(), group)

    def taken(self) -> int:
        """Return the number of steps taken."""
        return max((values.get("step", 0) for values in self.state.values()), default=0)

    def clipped_share(self) -> float:
        """Return the share of the entries that were moved by the whole of η; near 0 or 1, ρ is off."""
        clipped = total = 0
        for group in self.param_groups:
            for weight in group["params"]:
                kept = self._of(weight)
                clipped += int((kept["m"].abs() >= _bound(kept["h"], group["scale"])).sum())
                total += weight.numel()
        return clipped / total

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state; m and h stay float32 also where the weights are not."""
        super().load_state_dict(state_dict)
        weights = [w for group in self.param_groups for w in group["params"]]
        for position, values in state_dict["state"].items():
            if position >= 0:
                for key in ("m", "h"):
                    self.state[weights[position]][key] = values[key].to(weights[position].device, copy=True)

    def _move(self, weight: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None:
        kept, (momentum, memory) = self._of(weight), group["betas"]
        for _ in range(group["momentum_updates"]):
            kept["m"].lerp_(gradient, 1 - momentum)
        if group["squares_every"] and kept["step"] % group["squares_every"] == 0:
            kept["h"].lerp_(gradient.square(), 1 - memory)
        kept["step"] += 1
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        update = (kept["m"] / _bound(kept["h"], group["scale"])).clamp_(-1, 1)
        weight.add_(update.to(weight.dtype), alpha=-group["lr"])

    def _of(self, weight: Tensor) -> dict[str, Any]:
        kept = self.state[weight]
        if not kept:
            zeros = torch.zeros_like(weight, dtype=torch.float32)
            kept.update(step=0, m=zeros, h=zeros.clone())
        return kept


def _bound(h: Tensor, scale: float) -> Tensor:
    return (scale * h).clamp_min(EPSILON)


@dataclass(frozen=True)
class Sophia(Step):
    """Second-order clipped descent: θ ← θ - η clip(m / max(ρ B h, ε), 1) with h near the Hessian's diagonal.

    η is the learning rate, of the size of Adam's. Vectors (norms, biases) have no weight decay. The Hessian is that of
    the loss on the forget and the retain batch, which is positive also where a forget term is to grow; its estimates:

    - `sampled` (Gauss-Newton-Bartlett): ĝ ⊙ ĝ, ĝ the gradient of the mean loss on both batches with labels drawn from
      the model's own predictions;
    - `hutchinson`: u ⊙ H u of the objective itself, u ~ N(0, I), by differentiating twice;
    - `gradient`: g ⊙ g of the step's own gradient. The release of SOUL is this, with `every=1` and
      `momentum_twice=true`.

    Args:
        estimate: `sampled`, `hutchinson` or `gradient`.
        every: k, steps between two estimates.
        rho: ρ; the larger it is, the fewer entries are clipped.
        batch: B, the number of examples or tokens a mean gradient stands for; SOUL leaves it at 5120.
        beta1: share of m that is kept at a step.
        beta2: share of h that is kept at an estimate.
        momentum_twice: mix each gradient into m twice.
        inner: the step that gives the optimiser its gradient: `Clip()`, `SAM()` …; one without an optimiser of its own.

    Source: Liu et al. 2023, arXiv:2305.14342, algorithms 1-3; Jia et al. 2024, SOUL, arXiv:2404.18239.
    """

    estimate: Literal["sampled", "hutchinson", "gradient"] = "sampled"
    every: int = 10
    rho: float = 0.04
    batch: int = 5120
    beta1: float = 0.9
    beta2: float = 0.95
    momentum_twice: bool = False
    inner: Step = field(default_factory=Plain)

    def requirements(self) -> frozenset[str]:
        """Those of the step within."""
        return self.inner.requirements()

    def check(self, steps: int) -> None:
        """Raise ConfigurationError where an option is out of range."""
        self.inner.check(steps)
        if self.every < 1:
            raise ConfigurationError(f"every must be at least 1, not {self.every}")

    def optimizer(
        self, weights: Sequence[nn.Parameter], learning_rate: float, weight_decay: float
    ) -> torch.optim.Optimizer:
        """Return the optimiser that keeps m and h; raises ConfigurationError where the step within has its own."""
        if self.inner.optimizer(weights, learning_rate, weight_decay) is not None:
            raise ConfigurationError(
                f"Sophia cannot take the step {type(self.inner).__name__} within: both bring an optimiser"
            )
        matrices, vectors = ([w for w in weights if (w.dim() >= 2) == matrix] for matrix in (True, False))
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        return ClippedNewton(
            [group for group in groups if group["params"]],
            lr=learning_rate,
            betas=(self.beta1, self.beta2),
            scale=self.rho * self.batch,
            squares_every=self.every if self.estimate == "gradient" else 0,
            momentum_updates=2 if self.momentum_twice else 1,
        )

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update h where it is due, and the weights once."""
        assert isinstance(optimizer, ClippedNewton)
        if self.estimate != "gradient" and optimizer.taken() % self.every == 0:
            optimizer.zero_grad(set_to_none=True)
            optimizer.estimate(self.diagonal(moving(optimizer), terms))
        return self.inner(model, terms, optimizer)

    def diagonal(self, weights: list[Tensor], terms: Terms) -> Gradients:
        """Return the estimate of the Hessian's diagonal at the current weights."""
        if self.estimate == "sampled":
            terms.asked(labels="drawn").backward(weights)
            return [g.square() for g in gradients(weights)]
        generator = terms.generator(weights[0].device)
        noise = [torch.randn(w.shape, generator=generator, device=w.device, dtype=w.dtype) for w in weights]
        return [u * h for u, h in zip(noise, terms.curvature(weights, noise), strict=True)]
