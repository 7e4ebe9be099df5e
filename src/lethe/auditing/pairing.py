"""Pairing: what an attack makes of each example, beside what it makes of the same example with gold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lethe.auditing.metric import Score
from lethe.auditing.power import NORMAL, student

EACH = "each"
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Each:
    """What single examples gave, [n] each, in an order that is the same of every model.

    Attributes:
        before: without the attack.
        after: under the attack.
    """

    before: Values
    after: Values

    @property
    def gain(self) -> Values:
        """What the attack brought."""
        return self.after - self.before


def of_each(before: Sequence[float], after: Sequence[float]) -> dict[str, Any]:
    """Return the details that `each_of` reads, of n examples without the attack and under it."""
    return {EACH: {"before": [round(x, 6) for x in before], "after": [round(x, 6) for x in after]}}


def each_of(score: Score) -> Each | None:
    """Return what single examples gave; None where the attack does not tell, or tells of fewer than two."""
    told = score.details.get(EACH)
    if not isinstance(told, dict):
        return None
    before, after = (np.asarray(told[name], dtype=float) for name in ("before", "after"))
    whole = len(before) == len(after) > 1 and bool(np.isfinite(before).all() and np.isfinite(after).all())
    return Each(before, after) if whole else None


def gap_error(own: Score, golds: Sequence[Score]) -> float | None:
    """Return the standard error, over examples, of the gap to gold: s(a_i - mean_k g_ik) / √n.

    Examples differ more from each other than models do on the same example, so that paired values tell more than two
    means. It is widened by t(n-1)/z, so that z times it is Student's interval. None where an example has no partner.
    """
    subject, beside = each_of(own), _aligned(own, golds)
    if subject is None or not beside:
        return None
    return _error(subject.after - _mean([one.after for one in beside]))


def share_error(own: Score, original: Score, golds: Sequence[Score], share: float) -> float | None:
    """Return the standard error, over examples, of the recovered share r times the original's lead E.

    Of r = D / E, with D the mean of d_i = gain_i - mean_k gain_ik and E that of e_i = original before_i - before_i, it
    is s(d_i - r e_i) / √n (delta method), widened as `gap_error`. None where an example has no partner.
    """
    subject, beside = each_of(own), _aligned(own, [original, *golds])
    if subject is None or not beside:
        return None
    top, *others = beside
    return _error(subject.gain - _mean([one.gain for one in others]) - share * (top.before - subject.before))


def _aligned(own: Score, others: Sequence[Score]) -> list[Each]:
    """Return what the same examples gave with other models; nothing where one of them has other examples."""
    subject, found = each_of(own), [each_of(other) for other in others]
    if subject is None:
        return []
    whole = [one for one in found if one is not None and len(one.after) == len(subject.after)]
    return whole if len(whole) == len(found) else []


def _mean(values: Sequence[Values]) -> Values:
    mean: Values = np.mean(np.stack(values), axis=0)
    return mean


def _error(differences: Values) -> float:
    n = len(differences)
    return float(differences.std(ddof=1)) / n**0.5 * student(n) / NORMAL
