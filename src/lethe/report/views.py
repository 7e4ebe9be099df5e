"""What the page shows of a set of evidences, as text and rows: the template only lays it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lethe.errors import InputError
from lethe.numbers import duration, number, shown, signed, with_spread

Evidence = Mapping[str, Any]
Entry = Mapping[str, Any]

KINDS = {
    "forgetting": "Forgetting",
    "utility": "Utility",
    "privacy": "Privacy",
    "distance": "Distance",
    "recovery": "Recovery",
}
GOALS = {"gold": "", "max": "higher is better", "min": "lower is better"}
STANDING = {
    "removed": "good",
    "suppressed": "partly",
    "not removed": "bad",
    "undecided": "mute",
    "like gold": "good",
    "between": "partly",
    "like the original": "bad",
    "beyond gold": "beyond",
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
    """

    value: str
    gap: str
    spreads: str
    finding: str
    standing: str


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


@dataclass(frozen=True)
class Model:
    """One audited model in words.

    Attributes:
        name: its name, distinct within the page.
        outcome: the verdict in a word or two.
        standing: its colour class.
        sentence: the verdict in a sentence.
        average_gap: mean distance from gold, beside the original's and that of gold models from each other.
        settings: method and hyperparameters as (name, value), empty where the audit was not told.
        cost: what unlearning took.
        skipped: (metric, why it was not measured).
    """

    name: str
    outcome: str
    standing: str
    sentence: str
    average_gap: str
    settings: tuple[tuple[str, str], ...]
    cost: str
    skipped: tuple[tuple[str, str], ...]


def check_comparable(evidences: Sequence[Evidence]) -> None:
    """Raise InputError where there is no evidence, or two speak of different problems."""
    if not evidences:
        raise InputError("there is no evidence to report on; run `lethe audit` first")
    first = evidences[0]
    for evidence in evidences:
        name = evidence["subject"]["name"]
        for part in ("forget", "retain", "holdout"):
            if evidence["data"][part] != first["data"][part]:
                raise InputError(_other_problem(name, first, f"another {part} set"))
        for part, words in (("original", "another original model"), ("gold", "other gold models")):
            if evidence["models"][part] != first["models"][part]:
                raise InputError(_other_problem(name, first, words))


def _other_problem(name: str, first: Evidence, what: str) -> str:
    return f"'{name}' was audited with {what} than '{first['subject']['name']}'; write a report for each"


def names(evidences: Sequence[Evidence]) -> list[str]:
    """Return a name for each model; one that stands twice is numbered."""
    given = [str(evidence["subject"]["name"]) for evidence in evidences]
    total, seen = Counter(given), Counter[str]()
    distinct = []
    for name in given:
        seen[name] += 1
        distinct.append(f"{name} ({seen[name]})" if total[name] > 1 else name)
    return distinct


def found(evidence: Evidence, section: str, name: str) -> Entry | None:
    """Return a metric (or attack) of an evidence by name, None where it was not measured."""
    return next((entry for entry in evidence[section] if entry["name"] == name), None)


def names_of(evidences: Sequence[Evidence], section: str) -> list[str]:
    """Return the names of all metrics (or attacks) that any evidence has, in order of first appearance."""
    return list(dict.fromkeys(entry["name"] for evidence in evidences for entry in evidence[section]))


def groups(evidences: Sequence[Evidence]) -> list[Group]:
    """Return the table: the metrics by kind, then the attacks."""
    by_kind: dict[str, list[Row]] = {title: [] for title in KINDS.values()}
    for name in names_of(evidences, "metrics"):
        entries = [found(evidence, "metrics", name) for evidence in evidences]
        by_kind[KINDS[_first(entries)["kind"]]].append(_row(entries))
    attacks = [
        _row([found(evidence, "attacks", name) for evidence in evidences]) for name in names_of(evidences, "attacks")
    ]
    by_kind["Attacks: what came back"] = attacks
    return [Group(title, tuple(rows)) for title, rows in by_kind.items() if rows]


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
    )


def _gap(entry: Entry) -> str:
    if entry["gap"] is None:
        return ""
    gap, *ends = (number(value, entry["unit"]) for value in (entry["gap"], *(entry["interval"] or ())))
    return f"gap {gap}" + (f" [{ends[0]} to {ends[1]}]" if ends else "")


def models(evidences: Sequence[Evidence]) -> list[Model]:
    """Return what is said of each model in words."""
    return [
        Model(
            name=name,
            outcome=evidence["verdict"]["outcome"],
            standing=STANDING[evidence["verdict"]["outcome"]],
            sentence=evidence["verdict"]["sentence"],
            average_gap=_average_gap(evidence["average_gap"]),
            settings=_settings(evidence["subject"]["method"]),
            cost=_cost(evidence["cost"]),
            skipped=tuple((skip["name"], skip["reason"]) for skip in evidence["skipped"]),
        )
        for name, evidence in zip(names(evidences), evidences, strict=True)
    ]


def _average_gap(gap: Mapping[str, Any] | None) -> str:
    if gap is None:
        return "not known"
    golds = ""
    if gap["gold"]:
        golds = f"; gold models {number(min(gap['gold']), '%')} to {number(max(gap['gold']), '%')} from each other"
    return f"{number(gap['value'], '%')} points (original {number(gap['original'], '%')}{golds})"


def _settings(method: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Return a method's settings flat: `step.rho` for an option of a part."""
    flat: list[tuple[str, str]] = []
    for key, value in (method or {}).items():
        if isinstance(value, Mapping):
            flat.append((key, str(value.get("type", ""))))
            flat += [(f"{key}.{inner}", text) for inner, text in _settings(value) if inner != "type"]
        else:
            flat.append((key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return tuple(flat)


def _cost(cost: Mapping[str, Any] | None) -> str:
    if cost is None:
        return "not known"
    took = duration(cost["seconds"])
    return took if cost["relative"] is None else f"{took}, {shown(cost['relative'], '%')} of retraining"


def data_sets(evidence: Evidence) -> list[tuple[str, str, str]]:
    """Return (name, number of examples, hash) of the sets that are there."""
    return [
        (name, f"{evidence['counts'].get(name, 0):,}", digest)
        for name, digest in evidence["data"].items()
        if digest is not None
    ]


def hashes(evidences: Sequence[Evidence]) -> list[tuple[str, str]]:
    """Return (model, hash of its weights) of the original, the gold models and the audited ones."""
    references = evidences[0]["models"]
    golds = [(f"gold {i}", digest) for i, digest in enumerate(references["gold"], start=1)]
    audited = [evidence["models"]["unlearned"] for evidence in evidences]
    return [("original", references["original"]), *golds, *zip(names(evidences), audited, strict=True)]


def powerless(evidences: Sequence[Evidence]) -> list[tuple[str, str]]:
    """Return (metric, why it proves nothing here), each once."""
    entries = [entry for evidence in evidences for entry in (*evidence["metrics"], *evidence["attacks"])]
    return list(
        {e["title"]: (e["title"], e["power"]["reason"]) for e in entries if not e["power"]["has_power"]}.values()
    )
