"""Request: what somebody wants forgotten, from what, with what at hand: the formal record of an unlearning problem."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lethe.errors import ConfigurationError

Guarantee = Literal["none", "certified", "exact"]
Goal = Literal["", "examples", "class", "concept", "knowledge", "bias"]
Aim = Literal["", "removal", "suppression"]
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One record for every class of methods: parameter optimisation, merging, editing, and control at inference.

    Wanted is θ′ with f_θ′(x_f) ≠ y_f on what is to be forgotten and f_θ′(x) ≈ f_θ(x) elsewhere, within a budget and
    from the data at hand. All classes are asked the same, so that their answers stand in one table.

    Args:
        task: kind of model, as the catalogue names it: `classification`, `causal_lm` …
        goal: what is to go: `examples`, a `class`, a `concept`, `knowledge` or a `bias`; empty leaves it open.
        retain: whether data that must be kept are at hand.
        holdout: whether data are at hand that the model was never trained on.
        guarantee: `none`, `certified` (a bound that was proven) or `exact` (as if retrained).
        aims: `removal` or `suppression` alone; empty takes both.
        budget: seconds the unlearning may take; None sets no limit.

    Source: Si et al. 2023, Knowledge unlearning for LLMs, arXiv:2311.15766.
    """

    task: str
    goal: Goal = ""
    retain: bool = True
    holdout: bool = False
    guarantee: Guarantee = "none"
    aims: Aim = ""
    budget: float | None = None

    @property
    def parts(self) -> frozenset[str]:
        """The optional parts of a problem that are at hand."""
        return frozenset(name for name, there in (("retain", self.retain), ("holdout", self.holdout)) if there)


def seconds_of(text: str) -> float:
    """Return a duration in seconds; raises ConfigurationError where the text is none, or not positive.

    >>> seconds_of("1h"), seconds_of("1h30m"), seconds_of("90"), seconds_of("0.5 d")
    (3600.0, 5400.0, 90.0, 43200.0)
    """
    whole = text.replace(" ", "").lower()
    pieces = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", whole)
    total = sum(float(value) * UNITS[unit or "s"] for value, unit in pieces)
    if "".join(value + unit for value, unit in pieces) != whole or not total > 0:
        raise ConfigurationError(f"--budget {text}: expected a duration such as 90s, 30m, 1h or 2d")
    return total
