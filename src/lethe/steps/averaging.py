"""Weight averaging: end with the mean of the weights a run has passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.parallel import require_whole
from lethe.steps.base import Step, memory, moving
from lethe.steps.plain import Plain
from lethe.terms import Terms


@dataclass(frozen=True)
class WeightAveraging(Step):
    """Let another step run as it does, and end with θ_wa ← (n θ_wa + θ_t)/(n + 1) over some of its weights θ_t.

    What is watched during the run are the weights θ_t that it goes on from. A run that a stopping rule ends before the
    first average keeps its last weights.

    Args:
        start: step after which the first weights count.
        every: steps between two that count: those whose number is a multiple of it.
        inner: the step that moves the weights.

    Source: Fan et al. 2025, arXiv:2502.05374 (WA), with the release's start and interval.
    """

    start: int = 100
    every: int = 5
    inner: Step = field(default_factory=Plain)

    def __post_init__(self) -> None:
        if self.start < 1 or self.every < 1:
            raise ConfigurationError(f"start and every must be at least 1, not {self.start} and {self.every}")

    def requirements(self) -> frozenset[str]:
        """Those of the step within."""
        return self.inner.requirements()

    def optimizer(
        self, weights: Sequence[nn.Parameter], learning_rate: float, weight_decay: float
    ) -> torch.optim.Optimizer | None:
        """Return that of the step within."""
        return self.inner.optimizer(weights, learning_rate, weight_decay)

    def check(self, steps: int) -> None:
        """Raise ConfigurationError where the run ends before the first weights that count."""
        self.inner.check(steps)
        first = -(-self.start // self.every) * self.every
        if steps < first:
            raise ConfigurationError(
                f"the run takes {steps} steps, and averaging begins with step {first}; lower start or every"
            )

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once, and count them where it is their turn."""
        require_whole(terms.parallel, "weight averaging")
        values = self.inner(model, terms, optimizer)
        kept = memory(optimizer)
        step = kept["steps of averaging"] = kept.get("steps of averaging", 0) + 1
        if step >= self.start and step % self.every == 0:
            count = kept.get("averaged", 0)
            for i, weight in enumerate(moving(optimizer)):
                mean = kept.get(f"average {i}", torch.zeros_like(weight, dtype=torch.float32))
                kept[f"average {i}"] = (count * mean.to(weight.device) + weight.detach()) / (count + 1)
            kept["averaged"] = count + 1
        return values

    @torch.no_grad()
    def finish(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> bool:
        """Put the mean in the weights' place."""
        self.inner.finish(model, optimizer)
        kept = memory(optimizer)
        if not kept.get("averaged", 0):
            return False
        for i, weight in enumerate(moving(optimizer)):
            weight.copy_(kept[f"average {i}"])
        return True
