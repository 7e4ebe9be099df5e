"""What the page says of models, data and versions, as text: the template only lays it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lethe.numbers import duration, number, shown
from lethe.report.measured import STANDING
from lethe.report.reading import Evidence, names


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
