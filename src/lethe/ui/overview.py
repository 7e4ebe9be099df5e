"""Overview: the table of all runs, with the numbers of their audits and of what the comparator measured itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lethe.ui.folders import Found
from lethe.ui.groups import Group
from lethe.ui.schema import Axis, Run, Spark

MOST_SPARKS = 4
USUAL = {"mia_confidence", "relearn", "relearn_text", "model_utility", "forget_truth_ratio", "mia_loss_text"}
"""What is shown of an audit before anybody chooses, beside what the comparator measures itself."""

GROUP_OF_KIND = {
    "forgetting": "accuracy", "utility": "accuracy", "privacy": "privacy", "distance": "privacy", "recovery": "privacy"
}  # fmt: skip
OWN_AXES = {
    "classifier": (
        Axis("forget_accuracy", "Forget accuracy", "accuracy", "%"),
        Axis("retain_accuracy", "Retain accuracy", "accuracy", "%", "max"),
        Axis("holdout_accuracy", "Test accuracy", "accuracy", "%", "max"),
    ),
    "language model": (
        Axis("forget_probability", "Forget probability", "accuracy", "%"),
        Axis("retain_probability", "Retain probability", "accuracy", "%", "max"),
        Axis("forget_rouge", "Forget ROUGE-L", "accuracy", "%", shown=False),
    ),
}
"""What is measured by the comparator where an audit did not."""

SECONDS = Axis("seconds", "Seconds", "efficiency", "s", "min")
STEPS = Axis("steps", "Steps", "efficiency", "steps", "min", shown=False)
AVERAGE_GAP = Axis("average_gap", "Average gap", "privacy", "%", "min")
QUALITY = Axis("forgetting_quality", "Forgetting quality", "privacy", "%", "max")
GUESSING = Axis("membership_accuracy", "Membership accuracy", "privacy", "%")


@dataclass(frozen=True)
class Shown:
    """A model of a group as its views tell.

    Attributes:
        id: within the setting.
        role: `unlearned`, `original` or `gold`.
        name: what people read.
        run: its folder; None of original and gold.
        means: of its view; empty where there is none.
        quality: forgetting quality score; None without.
        guessed: accuracy of the best guess of membership; None without.
        reason: why there is no view; empty where there is one.
    """

    id: str
    role: str
    name: str
    run: Found | None = None
    means: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    quality: float | None = None
    guessed: float | None = None
    reason: str = ""


def rows(group: Group, kind: str, shown: Sequence[Shown]) -> Iterator[Run]:
    """Yield the group's rows of the table."""
    for one in shown:
        run = one.run
        values = _measured(one, kind) | _audited(group, one)
        if run is None:
            yield Run(group.id, one.id, one.role, one.name, values=values, viewable=not one.reason, reason=one.reason)
            continue
        verdict = run.evidence["verdict"] if run.evidence is not None else None
        yield Run(
            setting=group.id,
            id=one.id,
            role=one.role,
            name=one.name,
            method=run.method,
            slug=run.slug,
            seed=run.seed,
            options=run.options,
            status=run.status,
            reason="; ".join(dict.fromkeys(part for part in (run.reason, one.reason, run.complaint) if part)),
            viewable=not one.reason,
            verdict={"outcome": verdict["outcome"], "sentence": verdict["sentence"]} if verdict else None,
            values=values,
            sparks=tuple(_sparks(run))[:MOST_SPARKS],
            folder=run.name,
        )


def _measured(one: Shown, kind: str) -> dict[str, float | None]:
    """Return the numbers that the comparator measured itself, and the cost."""
    values: dict[str, float | None] = {}
    for axis in OWN_AXES[kind]:
        part, _, column = axis.key.partition("_")
        values[axis.key] = one.means.get(column, {}).get(part)
    values |= {QUALITY.key: one.quality, GUESSING.key: one.guessed}
    if one.run is not None:
        values |= {SECONDS.key: one.run.seconds, STEPS.key: one.run.steps}
    return values


def _audited(group: Group, one: Shown) -> dict[str, float | None]:
    """Return the numbers of the audit: of the run's own, or what any audit says of the original and of gold."""
    evidence = one.run.evidence if one.run is not None else group.evidence
    if evidence is None:
        return {}
    found: dict[str, float | None] = {}
    place = int(one.id.removeprefix("gold-")) - 1 if one.role == "gold" else 0
    for entry in (*evidence["metrics"], *evidence["attacks"]):
        values = {"unlearned": [entry["value"]], "original": [entry["original"]], "gold": entry["gold"]}[one.role]
        found[entry["name"]] = values[place] if place < len(values) else None
    gap = evidence["average_gap"]
    if gap:
        values = {"unlearned": [gap["value"]], "original": [gap["original"]], "gold": gap["gold"]}[one.role]
        found[AVERAGE_GAP.key] = values[place] if place < len(values) else None
    if one.role == "gold" and evidence["cost"]:
        found[SECONDS.key] = evidence["cost"]["retrain_seconds"]
    return found


def axes(groups: Sequence[Group], kinds: Sequence[str], runs: Sequence[Run]) -> list[Axis]:
    """Return the columns that any run has a number in: forgetting and utility, cost, privacy and recovery."""
    known = {axis.key: axis for kind in kinds for axis in OWN_AXES[kind]}
    for group in groups:
        for run in (run for run in group.runs if run.evidence is not None):
            assert run.evidence is not None
            for section in ("metrics", "attacks"):
                for entry in run.evidence[section]:
                    known.setdefault(entry["name"], _axis(entry))
    known |= {axis.key: axis for axis in (SECONDS, STEPS, AVERAGE_GAP, QUALITY, GUESSING)}
    there = {key for run in runs for key, value in run.values.items() if value is not None}
    order = ("accuracy", "efficiency", "privacy")
    return sorted((axis for key, axis in known.items() if key in there), key=lambda axis: order.index(axis.group))


def _axis(entry: Mapping[str, Any]) -> Axis:
    group, shown = GROUP_OF_KIND[entry["kind"]], entry["name"] in USUAL
    return Axis(entry["name"], entry["title"], group, entry["unit"], entry["goal"], shown)


def _sparks(run: Found) -> Iterator[Spark]:
    """Yield what was measured on the way, and how attacks brought it back."""
    names = [name for name in (run.history[0] if run.history else {}) if name != "step"]
    for name in names:
        yield Spark(name, [one["step"] for one in run.history], [one.get(name) for one in run.history])
    for entry in run.evidence["attacks"] if run.evidence is not None else ():
        curve = entry["details"].get("curve")
        if isinstance(curve, list) and curve and all(isinstance(p, list) and len(p) == 2 for p in curve):
            x, y = zip(*curve, strict=True)
            yield Spark(f"{entry['title']}: {entry['details'].get('measure', '')}".rstrip(": "), list(x), list(y))
