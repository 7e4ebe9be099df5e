"""Average gap: one number for four metrics, to set beside the cost."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from lethe.auditing.records import AverageGap, Entry

AVERAGED = ("forget_accuracy", "retain_accuracy", "holdout_accuracy", "mia_confidence")
"""The four metrics of the average gap."""


def average_gap(entries: Sequence[Entry]) -> AverageGap | None:
    """Return the average gap of the model, of the original and of each gold model; None where a metric is missing."""
    by_name = {entry.name: entry for entry in entries}
    four = [by_name[name] for name in AVERAGED if name in by_name and by_name[name].gold]
    if len(four) < len(AVERAGED):
        return None
    gold_count = len(four[0].gold)
    return AverageGap(
        value=statistics.fmean(abs(entry.value - statistics.fmean(entry.gold)) for entry in four),
        original=statistics.fmean(abs(entry.original - statistics.fmean(entry.gold)) for entry in four),
        gold=tuple(statistics.fmean(_from_others(entry.gold, i) for entry in four) for i in range(gold_count))
        if gold_count > 1
        else (),
    )


def _from_others(values: Sequence[float], i: int) -> float:
    return abs(values[i] - statistics.fmean([*values[:i], *values[i + 1 :]]))
