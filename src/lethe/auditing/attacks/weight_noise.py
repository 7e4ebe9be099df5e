"""Weight noise: add a little random noise to the weights and see what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lethe.auditing.attacks.perturbing import Perturbing
from lethe.errors import ConfigurationError
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class WeightNoise(Perturbing):
    """What of the forget set comes back when noise is added to the weights: w + scale · rms(W) · ε, ε ~ N(0, 1).

    What was laid over the knowledge with care is more fragile than the knowledge itself. Every model gets the same ε.

    Args:
        scales: the scales to try, relative to the root mean square of each matrix; 0 adds nothing.

    Source: lethe's own control; the least an attacker can do, for it needs neither data nor gradients.
    """

    scales: tuple[float, ...] = (0.03, 0.1)

    title: ClassVar[str] = "Weight noise"
    word: ClassVar[str] = "scale"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.scales or min(self.scales) < 0:
            raise ConfigurationError(f"scales must be numbers from 0, not {self.scales}")

    @property
    def strengths(self) -> Sequence[float]:
        """The scales, the smallest first."""
        return sorted(self.scales)

    def perturb(self, weights: Sequence[Tensor], strength: float, run: Run) -> None:
        """Add noise to all of them."""
        for number, weight in enumerate(weights):
            noise = torch.randn(weight.shape, generator=run.generator("weight noise", number))
            weight.add_(strength * weight.float().square().mean().sqrt() * noise.to(weight.device))
