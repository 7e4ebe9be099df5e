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
NORMAL = float(special.ndtri((1 + CONFIDENCE) / 2))


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
    return student(k) * spread * math.sqrt(1 + 1 / k)


def power(original: float, gold: Gold | None, bound: float = 0.0, error: float = 0.0) -> Power:
    """Return whether the original would be found out: |o - μ| - error > max(bound, t(k-1) s √(1 + 1/k)).

    Args:
        original: the original's value.
        gold: those of gold.
        bound: the largest gap that counts as gold; at least that of one more gold model is taken.
        error: half width of the confidence interval of the original's own gap.
    """
    if gold is None:
        return Power(None, "there is no gold model to compare with, or too few to score one beside the others")
    if gold.reach is None:
        return Power(
            None, "a single gold model does not tell how far gold models of other seeds differ; give two or more"
        )
    distance = abs(original - gold.mean)
    if distance <= gold.reach:
        return Power(
            False,
            "the original lies where another gold model might: original and gold cannot be told apart by this metric",
        )
    if distance <= bound:
        return Power(
            False,
            f"the original is {distance:.3g} from gold, within the bound of {bound:.3g}: no difference that counts",
        )
    if distance - error <= max(gold.reach, bound):
        return Power(
            False, f"the original is {distance:.3g} ± {error:.2g} from gold: too few examples to tell the two apart"
        )
    return Power(True, f"the original is {distance / (gold.spread or 1):.1f} spreads from gold")


def finding(
    value: float,
    original: float,
    gold: Gold | None,
    bound: float = 0.0,
    error: float = 0.0,
    original_error: float = 0.0,
) -> Finding:
    """Return where a value lies between gold and the original, by the size of its gap to gold.

    With m = max(bound, reach of gold): `like gold` where the interval of the gap lies within ±m, and the value no
    nearer to the original; an interval wholly outside is `like the original` within m of the original or beyond it,
    `between` elsewhere on the original's side, and `beyond gold` on the far side of gold; an interval that lies across
    ±m is `undetermined`. A metric without power says `no power`, except of a value wholly outside what gold and the
    original span, which is `beyond gold`: that shows damage even where it cannot show forgetting.

    Args:
        value: the model's value.
        original: the original's.
        gold: those of gold.
        bound: the largest gap that counts as gold.
        error: half width of the confidence interval of the gap.
        original_error: the same of the original's gap.
    """
    if gold is None:
        return "no gold"
    if gold.reach is None:
        return "no power"
    near, gap, apart = max(gold.reach, bound), value - gold.mean, original - gold.mean
    if not power(original, gold, bound, original_error).has_power:
        return "no power" if min(abs(gap), abs(value - original)) - error <= near else "beyond gold"
    if abs(gap) - error > near:
        if gap * apart < 0:
            return "beyond gold"
        return "like the original" if abs(value - original) <= near or abs(gap) >= abs(apart) else "between"
    if abs(gap) + error <= near and abs(gap) <= abs(value - original):
        return "like gold"
    return "undetermined"


def half_width(gold: Gold, resampled: Sequence[float] | None, error: float = 0.0) -> float | None:
    """Return the half width of the 95 % confidence interval of a gap, or None for a single gold model.

    √( (z · σ_B)² + (t(k-1) · s / √k)² ): σ_B is the standard deviation of the gap over bootstrap samples of the
    examples, drawn jointly for all models because they are measured on the same ones; s/√k is the standard error of
    the gold mean over seeds; z = 1.96.

    Args:
        gold: the values of the gold models.
        resampled: the gap on each bootstrap sample; None where the metric is not resampled.
        error: σ_B where it is not resampled; 0 leaves the uncertainty over examples out.
    """
    if gold.spread is None:
        return None
    k = len(gold.values)
    seeds = student(k) * gold.spread / math.sqrt(k)
    finite = [one for one in resampled or () if math.isfinite(one)]
    deviation = statistics.stdev(finite) if len(finite) > 1 else error
    return math.hypot(seeds, NORMAL * deviation)


def binomial_error(share: float, count: int) -> float:
    """Return the standard error of a share of `count` examples, √(p̃ (1 - p̃) / (n + 4)) with p̃ = (n p + 2) / (n + 4).

    The added two successes and two failures keep the error of a share of 0 or 1 from being 0; of a mean of values
    between 0 and 1 it is an upper limit.

    >>> round(binomial_error(0.0, 96), 4)
    0.014

    Source: Agresti and Coull 1998, Approximate is better than "exact" for interval estimation of binomial proportions.
    """
    smoothed = (count * share + 2) / (count + 4)
    return math.sqrt(max(smoothed * (1 - smoothed), 0.0) / (count + 4))


def student(k: int) -> float:
    """Return the two-sided 95 % quantile of Student's t with k - 1 degrees of freedom."""
    return float(special.stdtrit(k - 1, (1 + CONFIDENCE) / 2))
