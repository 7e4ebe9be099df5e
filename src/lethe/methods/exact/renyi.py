"""Rényi accounting of noisy gradient descent: what a release tells of a record, and of one that was deleted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from scipy import optimize
from torch import Tensor

from lethe.errors import ConfigurationError

MOST_STEPS = 2**40
LONGEST = 900  # requests: orders double with each, and numbers end at 2^1024


@dataclass(frozen=True)
class Langevin:
    """Noisy gradient descent θ ← θ - η ∇L(θ) + √(2η) ξ, ξ ~ N(0, σ² I), on n records.

    Args:
        lipschitz: bound L on the gradient of one record's loss.
        convexity: total strong convexity λ of the loss, its regulariser included.
        smoothness: β of one record's loss, without the regulariser.
        step: η, at most 1/(β + λ).
        sigma: σ.
        records: n.

    Raises:
        ConfigurationError: a number is out of range.
    """

    lipschitz: float
    convexity: float
    smoothness: float
    step: float
    sigma: float
    records: int

    def __post_init__(self) -> None:
        for name in ("lipschitz", "convexity", "step", "sigma", "records"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(
                    f"{name} must be above 0, not {getattr(self, name)}; without it nothing is certified"
                )
        most = 1 / (self.smoothness + self.convexity)
        if self.step > most * (1 + 1e-9):
            raise ConfigurationError(f"a step of {self.step:g} is too long to certify; take at most {most:g}")

    def training(self, order: float, replaced: int = 1) -> float:
        """Return ε_0(q) = 4 q S² L² / (λ σ² n²): the Rényi divergence of order q where S records are replaced.

        The factor 1 - e^{-ληK/2} of a finite number of steps is left out, which errs on the safe side.

        Source: Chourasia and Shah 2023, Forget Unlearning, arXiv:2210.08911; Chien et al. 2024, Langevin Unlearning,
        arXiv:2401.10371.
        """
        return 4 * order * (replaced * self.lipschitz) ** 2 / (self.convexity * (self.sigma * self.records) ** 2)

    def deletion(self, order: float, steps: Sequence[int], replaced: int = 1) -> float:
        """Return the divergence of order q after a chain of requests from a model trained without what was deleted.

        ε_1(q) = e^{-ληK/q} ε_0(q); ε_s(q) = e^{-ληK_s/q} (q - ½)/(q - 1) [ε_0(2q) + ε_{s-1}(2q)].

        Args:
            order: q above 1.
            steps: K of each request, the last one last.
            replaced: records a request replaces.
        """
        found = 0.0
        for request, count in enumerate(steps):
            # The order doubles with every request that comes later.
            q = order * 2.0 ** (len(steps) - 1 - request)
            decay = math.exp(-self.convexity * self.step * count / q)
            if request == 0:
                found = decay * self.training(q, replaced)
            else:
                found = decay * (q - 0.5) / (q - 1) * (self.training(2 * q, replaced) + found)
        return found

    def steps_for(self, epsilon: float, order: float, earlier: Sequence[int] = (), replaced: int = 1) -> int:
        """Return the fewest steps K after which the divergence of a request is at most ε.

        Raises:
            ConfigurationError: no number of steps below 2⁴⁰ is enough, ε is not above 0, or the chain is too long.
        """
        if epsilon <= 0:
            raise ConfigurationError(f"epsilon must be above 0, not {epsilon}")
        if len(earlier) >= LONGEST:
            raise ConfigurationError(f"a chain of {len(earlier)} requests cannot be certified any further; train anew")
        now = self.deletion(order, [*earlier, 0], replaced)
        if now <= epsilon:
            return 0
        needed = order / (self.convexity * self.step) * math.log(now / epsilon)
        if not needed < MOST_STEPS:
            raise ConfigurationError(f"{needed:.1e} steps would be needed; add noise, or train anew")
        return math.ceil(needed)


def approximate(renyi: Callable[[float], float], delta: float) -> float:
    """Return ε of (ε, δ): min over q > 1 of ε(q) + log(1/δ) / (q - 1)."""
    found = optimize.minimize_scalar(
        lambda t: renyi(1 + math.exp(t)) + math.log(1 / delta) / math.exp(t), bounds=(-8, 12), method="bounded"
    )
    return float(found.fun)


def gaussian(order: float, mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Return R_q(N(m, Σ) ‖ N(m', Σ')), infinite where Σ_q = (1 - q) Σ + q Σ' is not positive definite.

    R_q = (q/2) (m - m')ᵀ Σ_q⁻¹ (m - m') - log(det Σ_q / (det Σ^{1-q} det Σ'^q)) / (2 (q - 1)).
    """
    mixed = (1 - order) * covariance + order * other_covariance
    factor, info = torch.linalg.cholesky_ex(mixed)
    if int(info) != 0:
        return math.inf
    gap = (mean - other_mean).unsqueeze(1)
    quadratic = float((gap.T @ torch.cholesky_solve(gap, factor)).squeeze())
    volume = torch.logdet(mixed) - (1 - order) * torch.logdet(covariance) - order * torch.logdet(other_covariance)
    return order / 2 * quadratic - float(volume) / (2 * (order - 1))
