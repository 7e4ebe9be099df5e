"""The tables of what was measured: metrics by kind, one row each, one cell a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.numbers import number, shown, signed, with_spread
from lethe.report.attacked import price
from lethe.report.reading import Entry, Evidence, found, names_of

KINDS = {
    "forgetting": "Forgetting: what the model still says",
    "utility": "What should stay",
    "privacy": "Membership: whether it shows that the model was trained on it",
    "distance": "Distance: where and how far the model moved",
    "recovery": "Recovery: what its inner states still hold",
}
SECTIONS = {
    "data": ("privacy", "distance"),
    "efficacy": ("forgetting", "recovery"),
    "utility": ("utility",),
}
"""Which kinds of metrics stand in which section of the page."""

ATTACKS = "Attacks: what could be brought back, and at what cost"
GOALS = {"gold": "", "max": "higher is better", "min": "lower is better"}
STANDING = {
    "removed": "good",
    "suppressed": "partly",
    "not removed": "bad",
    "destroyed": "bad",
    "replaced": "bad",
    "inconclusive": "mute",
    "like gold": "good",
    "between": "partly",
    "like the original": "bad",
    "beyond gold": "beyond",
    "undetermined": "mute",
    "no power": "mute",
    "no gold": "mute",
}
"""The colour class of each outcome and finding; the word itself is always printed too."""

_NO_POWER = {True: "", False: "no power here", None: "power unknown"}


@dataclass(frozen=True)
class Cell:
    """One metric of one model.

    Attributes:
        value: the value with its unit.
        gap: gap to gold and its confidence interval, empty without gold.
        spreads: the gap in units of the gold models' own spread.
        finding: the audit's word for it.
        standing: colour class of the finding.
        before: of an attack, the value without it; else empty.
        recovered: of an attack, the share it brought back; else empty.
        cost: of an attack, what it took; else empty.
    """

    value: str
    gap: str
    spreads: str
    finding: str
    standing: str
    before: str = ""
    recovered: str = ""
    cost: str = ""


@dataclass(frozen=True)
class Row:
    """One metric of all models; `cells` holds None where a model was not measured with it.

    Attributes:
        title: what the metric is called.
        note: unit, where the values do not carry it, and which value is best, where that is not gold's.
        original: the original model's value.
        gold: mean and spread of the gold models.
        no_power: a mark where the metric proves nothing here, or where nobody knows; else empty.
        cells: one a model.
    """

    title: str
    note: str
    original: str
    gold: str
    no_power: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Group:
    """The rows of one kind of metric, or of the attacks."""

    title: str
    rows: tuple[Row, ...]


def sections(evidences: Sequence[Evidence]) -> dict[str, list[Group]]:
    """Return the tables of each section: the metrics by kind, and the attacks with those of efficacy."""
    by_kind: dict[str, list[Row]] = {kind: [] for kind in KINDS}
    for name in names_of(evidences, "metrics"):
        entries = [found(evidence, "metrics", name) for evidence in evidences]
        by_kind[_first(entries)["kind"]].append(_row(entries))
    tables = {
        section: [Group(KINDS[kind], tuple(by_kind[kind])) for kind in kinds if by_kind[kind]]
        for section, kinds in SECTIONS.items()
    }
    names = names_of(evidences, "attacks")
    if names:
        attacked = (_row([found(evidence, "attacks", name) for evidence in evidences]) for name in names)
        tables["efficacy"].append(Group(ATTACKS, tuple(attacked)))
    return tables


def _first(entries: Sequence[Entry | None]) -> Entry:
    return next(entry for entry in entries if entry is not None)


def _row(entries: Sequence[Entry | None]) -> Row:
    one = _first(entries)
    unit = _short(one["unit"])
    return Row(
        title=one["title"],
        note=", ".join(word for word in ("" if unit else one["unit"], GOALS[one["goal"]]) if word),
        original=shown(one["original"], unit),
        gold=with_spread(one["gold_mean"], one["gold_spread"], unit),
        no_power=_NO_POWER[one["power"]["has_power"]],
        cells=tuple(_cell(entry) if entry is not None else None for entry in entries),
    )


def _short(unit: str) -> str:
    """Return the unit where it is short enough to stand at every value of a table."""
    return unit if unit == "%" else ""


def _cell(entry: Entry) -> Cell:
    spreads = entry["gap_in_spreads"]
    return Cell(
        value=shown(entry["value"], _short(entry["unit"])),
        gap=_gap(entry),
        spreads=f"{signed(spreads)} spreads" if spreads is not None else "",
        finding=entry["finding"],
        standing=STANDING[entry["finding"]],
        before=f"{shown(entry['before'], _short(entry['unit']))} without it" if entry["before"] is not None else "",
        recovered=_recovered(entry),
        cost=price(entry["details"]),
    )


def _recovered(entry: Entry) -> str:
    if entry["recovered"] is None:
        return ""
    share, *ends = (number(value, "%") for value in (entry["recovered"], *(entry["recovered_interval"] or ())))
    return f"{share} % brought back beyond gold" + (f" [{ends[0]} to {ends[1]}]" if ends else "")


def _gap(entry: Entry) -> str:
    if entry["gap"] is None:
        return ""
    gap, *ends = (number(value, entry["unit"]) for value in (entry["gap"], *(entry["interval"] or ())))
    return f"gap {gap}" + (f" [{ends[0]} to {ends[1]}]" if ends else "")
