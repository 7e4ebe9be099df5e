"""Power: whether a metric can tell the original from gold at all, and on which side of gold a value lies."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import special

Finding = Literal["like gold", "between", "like the original", "beyond gold", "undetermined", "no power", "no gold"]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Power:
    """Whether a metric can tell the original from gold on this forget set.

    Args:
        has_power: None where it cannot be known, with fewer than two gold models.
        reason: why, in one clause.
    """

    has_power: bool | None
    reason: str


@dataclass(frozen=True)
class Gold:
    """The values of gold models, as a reference for others.

    Args:
        values: one a gold model, each measured without itself among its references.
        resolution: the smallest difference that means anything.
    """

    values: tuple[float, ...]
    resolution: float

    @property
    def mean(self) -> float:
        """The mean over gold models."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float | None:
        """The standard deviation between seeds (k - 1 in the denominator), None for a single gold model.

        It is at least the metric's resolution: three gold models that happen to agree exactly do not make every other
        model infinitely far from gold.
        """
        if len(self.values) < 2:
            return None
        return max(statistics.stdev(self.values), self.resolution)

    @property
    def reach(self) -> float | None:
        """How far from the mean one more gold model lies in 95 of 100 cases, None for a single gold model."""
        return reach(self.spread, len(self.values)) if self.spread is not None else None


def reach(spread: float, k: int) -> float:
    """Return the half width of the 95 % prediction interval from k values: t(k-1) · s · √(1 + 1/k)."""
    return _t(k) * spread * math.sqrt(1 + 1 / k)


def power(original: float, gold: Gold | None) -> Power:
    """Return whether the original lies outside the 95 % prediction interval of gold, |o - μ| > t(k-1) s √(1 + 1/k)."""
    if gold is None:
        return Power(None, "there is no gold model to compare with, or too few to score one beside the others")
    if gold.reach is None:
        return Power(
            None, "a single gold model does not tell how far gold models of other seeds differ; give two or more"
        )
    distance = abs(original - gold.mean)
    if distance > gold.reach:
        return Power(True, f"the original is {distance / (gold.spread or 1):.1f} spreads from gold")
    return Power(
        False, "the original lies where another gold model might: original and gold cannot be told apart by this metric"
    )


def finding(value: float, original: float, gold: Gold | None) -> Finding:
    """Return where a value lies between gold and the original.

    With r the reach of gold: `like gold` within r of the gold mean and no nearer to the original; `like the original`
    within r of the original, or beyond it; `between` elsewhere on the original's side; `beyond gold` on the far side
    of gold. A metric without power says `no power`, except of a value outside what gold and the original span, which
    is `beyond gold`: that shows damage even where it cannot show forgetting.
    """
    if gold is None:
        return "no gold"
    if gold.reach is None:
        return "no power"
    near, gap, apart = gold.reach, value - gold.mean, original - gold.mean
    if abs(apart) <= near:
        return "no power" if min(abs(gap), abs(value - original)) <= near else "beyond gold"
    if abs(gap) <= near and abs(gap) <= abs(value - original):
        return "like gold"
    if gap * apart < 0:
        return "beyond gold"
    if abs(value - original) <= near or abs(gap) >= abs(apart):
        return "like the original"
    return "between"


def interval(gap: float, gold: Gold, resampled: Sequence[float] | None) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of a gap, or None for a single gold model.

    gap ± √( (z · σ_B)² + (t(k-1) · s / √k)² ): σ_B is the standard deviation of the gap over bootstrap samples of the
    examples, drawn jointly for all models because they are measured on the same ones; s/√k is the standard error of
    the gold mean over seeds; z = 1.96.

    Args:
        gap: the value minus the gold mean.
        gold: the values of the gold models.
        resampled: the gap on each bootstrap sample; None leaves the uncertainty over examples out.
    """
    if gold.spread is None:
        return None
    k = len(gold.values)
    seeds = _t(k) * gold.spread / math.sqrt(k)
    finite = [one for one in resampled or () if math.isfinite(one)]
    examples = float(special.ndtri((1 + CONFIDENCE) / 2)) * statistics.stdev(finite) if len(finite) > 1 else 0.0
    half = math.hypot(seeds, examples)
    return gap - half, gap + half


def _t(k: int) -> float:
    """Return the two-sided 95 % quantile of Student's t with k - 1 degrees of freedom."""
    return float(special.stdtrit(k - 1, (1 + CONFIDENCE) / 2))
