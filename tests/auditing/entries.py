"""Entries made by hand, whose verdict can be told in advance."""

from __future__ import annotations

from typing import Any

from lethe.auditing.evidence import Entry, GroupEntry
from lethe.auditing.power import Finding, Power


def an_entry(name: str, finding: Finding, kind: str = "forgetting", **other: Any) -> Entry:
    """An entry with that finding; one that is not `no power` or `no gold` has power."""
    has_power = None if finding == "no gold" else finding != "no power"
    values: dict[str, Any] = {
        "title": name, "unit": "%", "goal": "gold", "value": 0.5, "original": 0.9, "gold": (0.1, 0.1, 0.1),
        "gold_mean": 0.1, "gold_spread": 0.01, "gap": 0.4, "gap_in_spreads": 40.0, "interval": (0.3, 0.5),
        "power": Power(has_power, "for some reason"), "bound": 0.05,
    }  # fmt: skip
    return Entry(name=name, kind=kind, finding=finding, **{**values, **other})


def utility(value: float, **other: Any) -> Entry:
    """Accuracy on what should stay, where gold has 98 % and the original 95 %."""
    numbers = {"value": value, "original": 0.95, "gold": (0.98, 0.98, 0.98), "gold_mean": 0.98, "gold_spread": 0.002}
    return an_entry("Test accuracy", "no power", "utility", **{"goal": "max", **numbers, **other})


def false_confidence(gap: float, half: float = 0.05, **other: Any) -> Entry:
    """Confidence in wrong answers, so far above gold's."""
    values = {"title": "Confidence in wrong answers", "gap": gap, "interval": (gap - half, gap + half), "bound": 0.05}
    values |= {"value": 0.2 + gap, "gold_mean": 0.2, "original": 0.1}
    return an_entry("forget_wrong_probability", "beyond gold", "forgetting", **{**values, **other})


def on_group(metric: str, finding: Finding, gap: float = 0.7, group: str = "person = Ann") -> GroupEntry:
    """A metric on a part of the forget set, whose original lies 0.8 from gold."""
    return GroupEntry(metric, group, 20, 0.1 + gap, 0.9, (0.1, 0.1), 0.1, gap, (gap - 0.1, gap + 0.1), finding)
