"""Model utility: one number for all that a model must still be able to do."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lethe.errors import InputError


def model_utility(values: Mapping[str, float]) -> float:
    """Return the harmonic mean of the values, in [0, 1]; 0 as soon as one is 0.

    TOFU takes nine: probability, ROUGE-L recall and max(0, 1 - truth ratio), each on retain set, real authors and
    world facts. The forget set never enters.

    Args:
        values: name to number in [0, 1].

    Raises:
        InputError: there is none, or one is not in [0, 1].

    Source: Maini et al. 2024, arXiv:2401.06121, section 2.2.

    >>> round(model_utility({"probability": 0.5, "rouge": 1.0}), 12)
    0.666666666667
    """
    if not values:
        raise InputError("model utility has no value to average; give at least one")
    for name, value in values.items():
        if not 0 <= value <= 1:  # refuses nan as well
            raise InputError(f"{name} is {value}; values of model utility lie between 0 and 1")
    if min(values.values()) == 0:
        return 0.0
    return len(values) / math.fsum(1 / value for value in values.values())
