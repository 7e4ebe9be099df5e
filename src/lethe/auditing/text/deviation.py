"""Deviation: how far a model is from one that says nothing of the forget set and everything of the retain set."""

from __future__ import annotations

import math

from lethe.errors import InputError


def deviation(forget: float, retain: float) -> float:
    """Return 100 · √(forget² + (1 - retain)²), between 0, the best, and 141.4.

    Args:
        forget: how much of the forget answers the model says, in [0, 1] (ROUGE-1 recall as published).
        retain: how much of the retain answers, in [0, 1].

    Raises:
        InputError: a value is not in [0, 1].

    Source: Shen et al. 2025 (LUNAR), arXiv:2502.07218.

    >>> deviation(0.0, 1.0), round(deviation(0.3, 0.6), 6)
    (0.0, 50.0)
    """
    for name, value in (("forget", forget), ("retain", retain)):
        if not 0 <= value <= 1:  # refuses nan as well
            raise InputError(f"{name} is {value}; what a deviation is made of lies between 0 and 1")
    return 100 * math.hypot(forget, 1 - retain)
