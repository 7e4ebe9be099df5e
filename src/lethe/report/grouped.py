"""Parts of the forget set: where a model fails on a minority, or on what was memorised most, while its mean is fine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.numbers import number, shown
from lethe.report.measured import STANDING
from lethe.report.reading import Evidence, found


@dataclass(frozen=True)
class Part:
    """One metric on one part of the forget set, of all models.

    Args:
        group: what the examples have in common.
        size: number of examples.
        metric: title of the metric.
        original: the original's value.
        gold: gold's mean.
        cells: (value, gap, finding, colour class), one a model; None where it was not measured.
    """

    group: str
    size: str
    metric: str
    original: str
    gold: str
    cells: tuple[tuple[str, str, str, str] | None, ...]


def parts(evidences: Sequence[Evidence]) -> list[Part]:
    """Return the parts in order of first appearance."""
    keys = dict.fromkeys((one["group"], one["metric"]) for evidence in evidences for one in evidence["groups"])
    return [_part(evidences, group, metric) for group, metric in keys]


def _part(evidences: Sequence[Evidence], group: str, metric: str) -> Part:
    entries = [
        next((one for one in evidence["groups"] if (one["group"], one["metric"]) == (group, metric)), None)
        for evidence in evidences
    ]
    first = next(one for one in entries if one is not None)
    whole = next((e for one in evidences if (e := found(one, "metrics", metric))), None)
    title, unit = (whole["title"], whole["unit"]) if whole else (metric, "")

    def cell(entry: Evidence | None) -> tuple[str, str, str, str] | None:
        if entry is None:
            return None
        gap = "" if entry["gap"] is None else f"gap {number(entry['gap'], unit)}"
        if entry["interval"]:
            low, high = (number(end, unit) for end in entry["interval"])
            gap += f" [{low} to {high}]"
        return shown(entry["value"], unit), gap, entry["finding"], STANDING[entry["finding"]]

    return Part(
        group=group,
        size=f"{first['size']:,}",
        metric=title,
        original=shown(first["original"], unit),
        gold=shown(first["gold_mean"], unit),
        cells=tuple(cell(entry) for entry in entries),
    )
