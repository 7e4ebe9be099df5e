"""WaterDrum's metric: how much of an owner's data is still in a model, read from what the model writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lethe.auditing.inference import auc
from lethe.errors import InputError
from lethe.text.watermark import Reading


@dataclass(frozen=True)
class Calibration:
    """How straight a metric falls with the share of the forget set that is left out of training.

    Attributes:
        slope: m of y = m (100 - x), the line through (100, 0).
        r2: 1 - Σ (y - ŷ)² / Σ (y - mean y)².
    """

    slope: float
    r2: float


def strength(readings: Sequence[Reading]) -> float:
    """Return the mean watermark over all tokens of several texts, Σ T q / Σ T; 0 where no token was counted.

    >>> strength([Reading(0.5, 10), Reading(0.2, 20)])
    0.3
    """
    counted = sum(one.counted for one in readings)
    return sum(one.score * one.counted for one in readings) / counted if counted else 0.0


def mean_strength(rows: Sequence[Sequence[Reading]]) -> float:
    """Return the mean over queries of the `strength` of each query's generations."""
    if not rows:
        raise InputError("there is no query whose generations could be read; give at least one")
    return sum(strength(row) for row in rows) / len(rows)


def separability(retained: Sequence[Sequence[Reading]], forgotten: Sequence[Sequence[Reading]]) -> float:
    """Return the probability that a retained generation scores above a forget one, each under its owner's key.

    One score a generation; 1 for a model retrained without the forget set if the metric is a good one.

    Source: Lu et al. 2025, arXiv:2505.05064, desideratum of separability.
    """
    scores = [torch.tensor([one.score for row in rows for one in row]).double() for rows in (retained, forgotten)]
    return auc(scores[0], scores[1])


def calibration(removed: Sequence[float], values: Sequence[float]) -> Calibration:
    """Return the line through (100, 0) that fits the metric of models retrained without x per cent of the forget set.

    Args:
        removed: x, per cent of the forget set that each model was not trained on.
        values: y, the metric of each.

    Raises:
        InputError: there are fewer than two different x, or all values are one.

    Source: Lu et al. 2025, arXiv:2505.05064, desideratum of calibration.

    >>> calibration([0, 50, 100], [0.8, 0.4, 0.0])
    Calibration(slope=0.008, r2=1.0)
    """
    if len(removed) != len(values) or len(set(removed)) < 2 or len(set(values)) < 2:
        raise InputError("calibration needs a value for each of at least two shares, and two different values")
    left, y = (100 - torch.tensor(removed, dtype=torch.float64)), torch.tensor(values, dtype=torch.float64)
    slope = float((left * y).sum() / left.square().sum())
    r2 = 1 - float((y - slope * left).square().sum() / (y - y.mean()).square().sum())
    return Calibration(slope, r2)
