"""Reading evidence: which models and measurements there are, and whether they can stand in one report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lethe.errors import InputError

Evidence = Mapping[str, Any]
Entry = Mapping[str, Any]


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
