"""Recovered: which share of the forgotten an attack brought back, beyond what it brings out of gold."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from lethe.auditing.metric import Score
from lethe.auditing.pairing import share_error
from lethe.auditing.power import NORMAL, Gold

Interval = tuple[float, float]


def before(score: Score) -> float | None:
    """Return the quantity without the attack, `details["before"]`; None where the attack has no such."""
    found = score.details.get("before")
    return float(found) if isinstance(found, (int, float)) and math.isfinite(found) else None


def recovered(
    own: Score, original: Score, golds: Sequence[Score], resolution: float
) -> tuple[float | None, Interval | None]:
    """Return the recovered share and its 95 % confidence interval.

    r = ((after - before) - mean_k(gold after - gold before)) / (original before - before). It is None without gold,
    where an attack has no `before`, and where the model shows all the original does: nothing is left to come back.
    The interval is r ± √(reach² + (z · σ)²) / |original before - before|, with the reach of a further gold model's gain
    and σ, where the attack tells what `each` example gave, the paired standard error over examples
    (`pairing.share_error`). It is None with fewer than two gold models.

    >>> gold = Score(0.2, {"before": 0.1})
    >>> share, interval = recovered(Score(0.7, {"before": 0.1}), Score(0.9, {"before": 0.9}), [gold, gold], 0.01)
    >>> round(share, 3), interval[0] < share < interval[1]
    (0.625, True)
    """
    start, top = before(own), before(original)
    gains = [score.value - at for score in golds if (at := before(score)) is not None]
    if start is None or top is None or not gains or len(gains) < len(golds) or abs(top - start) <= resolution:
        return None, None
    share = (own.value - start - statistics.fmean(gains)) / (top - start)
    reach = Gold(tuple(gains), resolution).reach
    if reach is None:
        return share, None
    half = math.hypot(reach, NORMAL * (share_error(own, original, golds, share) or 0.0)) / abs(top - start)
    return share, (share - half, share + half)
