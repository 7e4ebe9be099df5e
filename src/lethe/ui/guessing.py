"""Guessing membership: how well one threshold tells forget examples from unseen ones in a single model."""

from __future__ import annotations

import numpy as np

from lethe.ui.quality import thresholds
from lethe.ui.schema import Statistic


def membership(forget: np.ndarray, unseen: np.ndarray, statistic: Statistic) -> dict[str, float]:
    """Return what an attacker with the best threshold reaches, and the AUC over all thresholds.

    Forget examples are the members. `accuracy` is balanced, (TPR + 1 - FPR) / 2, over the statistic's thresholds; `auc`
    takes the values as they are.

    Args:
        forget: values of the forget examples.
        unseen: values of the holdout.
        statistic: thresholds, and the side members are expected on.

    >>> loss = Statistic("loss", "", 0.0, 1.0, 0.5, "below", 0.5)
    >>> membership(np.array([0.1, 0.2]), np.array([0.9, 0.2]), loss)
    {'auc': 0.875, 'threshold': 0.5, 'accuracy': 0.75, 'tpr': 1.0, 'fpr': 0.5}
    """
    sign = 1.0 if statistic.member == "above" else -1.0
    from scipy.stats import rankdata

    ranks = rankdata(sign * np.concatenate([forget, unseen]))
    m, n = len(forget), len(unseen)
    auc = (ranks[:m].sum() - m * (m + 1) / 2) / (m * n)
    at = thresholds(statistic)
    rates = [_called(values, at, statistic) for values in (forget, unseen)]
    accuracy = (rates[0] + 1 - rates[1]) / 2
    best = int(accuracy.argmax())
    return {
        "auc": float(auc),
        "threshold": float(at[best]),
        "accuracy": float(accuracy[best]),
        "tpr": float(rates[0][best]),
        "fpr": float(rates[1][best]),
    }


def _called(values: np.ndarray, at: np.ndarray, statistic: Statistic) -> np.ndarray:
    """Return the share of values called members at each threshold."""
    ordered = np.sort(np.clip(values, statistic.low, statistic.high))
    # Thresholds are rounded: a value that was clipped to the range's end counts as equal to it.
    if statistic.member == "above":
        return 1 - np.searchsorted(ordered, at - 1e-9, side="left") / len(values)
    return np.searchsorted(ordered, at + 1e-9, side="right") / len(values)
