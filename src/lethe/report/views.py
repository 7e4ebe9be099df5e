"""What the page says of models, data and versions, as text: the template only lays it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lethe.auditing.evidence import OUTCOMES
from lethe.auditing.evidence import Evidence as Read
from lethe.numbers import duration, number, shown
from lethe.report.measured import STANDING
from lethe.report.reading import Evidence, names, names_of
from lethe.report.suppression import Intention, SuppressionTest


@dataclass(frozen=True)
class Model:
    """One audited model in words.

    Attributes:
        name: its name, distinct within the page.
        outcome: the verdict in a word or two.
        meaning: the definition of that word.
        standing: its colour class.
        sentence: the verdict in a sentence.
        failed: the lines of the policy that it failed, with what was found.
        aim: what the method aims at and how much can be brought back.
        average_gap: mean distance from gold, beside the original's and that of gold models from each other.
        settings: method and hyperparameters as (name, value), empty where the audit was not told.
        audit: what was asked of the audit as (name, value).
        cost: what unlearning took.
        skipped: (reason, names of what was not measured for it).
        files: (role, path, hash) of what was read.
        digest: SHA-256 of the evidence.
    """

    name: str
    outcome: str
    meaning: str
    standing: str
    sentence: str
    failed: tuple[str, ...]
    aim: str
    average_gap: str
    settings: tuple[tuple[str, str], ...]
    audit: tuple[tuple[str, str], ...]
    cost: str
    skipped: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str, str], ...]
    digest: str


def models(read: Sequence[Read], plain: Sequence[Evidence]) -> list[Model]:
    """Return what is said of each model in words.

    Args:
        read: the evidence of each.
        plain: the same as plain data.
    """
    return [
        Model(
            name=name,
            outcome=one.verdict.outcome,
            meaning=OUTCOMES[one.verdict.outcome],
            standing=STANDING[one.verdict.outcome],
            sentence=one.verdict.sentence,
            failed=one.verdict.failed,
            aim=_aim(SuppressionTest()(one)),
            average_gap=_average_gap(evidence["average_gap"]),
            settings=_flat(evidence["subject"]["method"]),
            audit=_flat(evidence["settings"]),
            cost=_cost(evidence["cost"]),
            skipped=_skipped(evidence["skipped"]),
            files=tuple((file.role, file.path, file.sha256) for file in one.files),
            digest=evidence["digest"],
        )
        for name, one, evidence in zip(names(plain), read, plain, strict=True)
    ]


def _aim(found: Intention) -> str:
    aims = {
        "unstated": "What the method aims at was not stated.",
        "removal": "The method aims at removal: to take back what training put in.",
        "suppression": "The method aims at suppression: to put another output in the place of what the model knows.",
    }[found.intended]
    if found.index is None:
        return f"{aims} No suppression index: {found.reason}."
    worst = found.worst
    by = f", by {worst[0]}" if worst else ""
    return f"{aims} Suppression index {found.index:.2f}{by}: 0 is as gold, 1 as the original."


def _average_gap(gap: Mapping[str, Any] | None) -> str:
    if gap is None:
        return "not known"
    golds = ""
    if gap["gold"]:
        golds = f"; gold models {number(min(gap['gold']), '%')} to {number(max(gap['gold']), '%')} from each other"
    return f"{number(gap['value'], '%')} points (original {number(gap['original'], '%')}{golds})"


def _flat(method: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Return settings flat: `step.rho` for an option of a part."""
    flat: list[tuple[str, str]] = []
    for key, value in (method or {}).items():
        if isinstance(value, Mapping):
            flat.append((key, str(value.get("type", ""))))
            flat += [(f"{key}.{inner}", text) for inner, text in _flat(value) if inner != "type"]
        else:
            flat.append((key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return tuple(flat)


def _cost(cost: Mapping[str, Any] | None) -> str:
    if cost is None:
        return "not known"
    took = duration(cost["seconds"])
    return took if cost["relative"] is None else f"{took}, {shown(cost['relative'], '%')} of retraining"


def _skipped(skipped: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    reasons: dict[str, list[str]] = {}
    for one in skipped:
        reasons.setdefault(one["reason"], []).append(one["name"])
    return tuple((reason, ", ".join(named)) for reason, named in reasons.items())


def scope(evidences: Sequence[Evidence]) -> list[tuple[str, str]]:
    """Return (what, of what) of everything that was asked: what has to be gone, and what has to stay."""
    first = evidences[0]
    counts, data = first["counts"], first["data"]

    def titles(section: str, kinds: Sequence[str]) -> str:
        found = {e["name"]: e["title"] for one in evidences for e in one[section] if e["kind"] in kinds}
        return ", ".join(found[name] for name in names_of(evidences, section) if name in found)

    golds = len(first["models"]["gold"])
    beside = "the original alone: no model retrained without the examples was given"
    if golds:
        beside = f"the original and {golds} gold model{'' if golds == 1 else 's'}, retrained without the examples"
    sizes = {name: f"{counts.get(name, 0):,} examples" if data[name] else "none given" for name in data}
    return [
        ("To be gone", sizes["forget"]),
        ("To be gone however it is asked for", titles("attacks", ("recovery",)) or "no attack was carried out"),
        ("To stay, of the same kind", sizes["retain"]),
        ("To stay, never seen in training", sizes["holdout"]),
        ("Set beside", beside),
    ]


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


def warnings(evidences: Sequence[Evidence]) -> list[tuple[str, str, bool]]:
    """Return (about, what is wrong, whether no verdict can rest on it) of the references, each once."""
    found = [(w["about"], w["sentence"], w["invalidates"]) for one in evidences for w in one["warnings"]]
    return list(dict.fromkeys(found))


def powerless(evidences: Sequence[Evidence]) -> list[tuple[str, str]]:
    """Return (reason, metrics that prove nothing here for it)."""
    entries = [entry for evidence in evidences for entry in (*evidence["metrics"], *evidence["attacks"])]
    reasons: dict[str, dict[str, None]] = {}
    for entry in entries:
        if not entry["power"]["has_power"]:
            reasons.setdefault(entry["power"]["reason"], {})[entry["title"]] = None
    return [(reason, ", ".join(titles)) for reason, titles in reasons.items()]
