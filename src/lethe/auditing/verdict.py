"""Verdict: from the entries of an audit to one outcome and one sentence."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from lethe.auditing.evidence import AverageGap, Entry, Verdict
from lethe.auditing.power import reach

AVERAGED = ("forget_accuracy", "retain_accuracy", "holdout_accuracy", "mia_confidence")
"""The four metrics of the average gap."""

TOLERATED = 0.25
"""Share of the behavioural metrics that may miss gold by chance: one in twenty does so even for a gold model."""


def verdict(metrics: Sequence[Entry], attacks: Sequence[Entry]) -> Verdict:
    """Return the outcome.

    Behaviour is judged by the metrics of forgetting and privacy that have power. Where more than a quarter of them
    find the model off gold, it is `not removed` or `suppressed`, as the side is that holds more. Otherwise outputs look
    like gold, and the model is `suppressed` where one metric of recovery or one attack with power finds it on the
    original's side, and `removed` where none does. Distances describe and decide nothing.
    """
    behaviour = [e for e in metrics if e.kind in ("forgetting", "privacy") and e.power.has_power]
    recovery = [e for e in (*metrics, *attacks) if e.kind == "recovery" and e.power.has_power]
    if not behaviour:
        return Verdict("inconclusive", f"Inconclusive: {_why_inconclusive(metrics)}.")
    left = [e for e in behaviour if _on_the_original_side(e)]
    beyond = [e for e in behaviour if e.finding == "beyond gold"]
    damage = _damage(metrics)
    if len(left) + len(beyond) > TOLERATED * len(behaviour):
        if len(left) >= len(beyond):
            share = f"{len(left)} of {len(behaviour)} metrics with power find the model on the original's side of gold"
            return Verdict("not removed", f"Not removed: {share} ({_titles(left)}){damage}.")
        share = (
            f"{len(beyond)} of {len(behaviour)} metrics with power find the model farther from the original than gold"
        )
        return Verdict("suppressed", f"Suppressed, and beyond gold: {share} ({_titles(beyond)}){damage}.")
    like = f"{len(behaviour) - len(left) - len(beyond)} of {len(behaviour)} metrics with power find the model like gold"
    regained = [e for e in recovery if _on_the_original_side(e)]
    if regained:
        return Verdict("suppressed", f"Suppressed: {like}, but {_titles(regained)} bring it back unlike gold{damage}.")
    if not recovery:
        return Verdict("removed", f"Removed as far as outputs show: {like}; no recovery attack had power{damage}.")
    return Verdict("removed", f"Removed: {like}, and no attack with power brings it back{damage}.")


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


def _on_the_original_side(entry: Entry) -> bool:
    return entry.finding in ("between", "like the original")


def _why_inconclusive(metrics: Sequence[Entry]) -> str:
    if all(entry.finding == "no gold" for entry in metrics):
        return "there is no gold model to compare with; retrain two or more without the forget set"
    unknown = next((entry.power.reason for entry in metrics if entry.power.has_power is None), None)
    return unknown or "no metric can tell the original from gold on this forget set"


def _damage(metrics: Sequence[Entry]) -> str:
    """Return a clause on what the model is worse at than gold and the original alike, or nothing."""
    hurt = [entry for entry in metrics if entry.kind == "utility" and entry.goal == "max" and _fall(entry) > 0]
    clauses = [f"{entry.title} is {100 * _fall(entry):.1f} points below gold and original" for entry in hurt]
    return "; damaged: " + ", ".join(clauses) if clauses else ""


def _fall(entry: Entry) -> float:
    """Return how far the value lies below gold and original; 0 within the reach of a further gold model."""
    if entry.gold_mean is None or entry.gold_spread is None:
        return 0.0
    below = min(entry.original, entry.gold_mean) - entry.value
    return below if below > reach(entry.gold_spread, len(entry.gold)) else 0.0


def _titles(entries: Sequence[Entry], most: int = 3) -> str:
    """Return the titles, the first few of many."""
    named = [entry.title for entry in entries]
    return ", ".join(named) if len(named) <= most + 1 else f"{', '.join(named[:most])} and {len(named) - most} more"
