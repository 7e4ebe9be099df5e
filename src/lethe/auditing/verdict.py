"""Verdict: from the entries of an audit and a policy to one of six outcomes and one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lethe.auditing.judgement import Judgement, fall, way
from lethe.auditing.policy import DEFAULT, Policy
from lethe.auditing.records import Caution, Entry, GroupEntry, Verdict
from lethe.numbers import number, shown

HALF = 0.5


def verdict(
    metrics: Sequence[Entry],
    attacks: Sequence[Entry],
    policy: Policy = DEFAULT,
    *,
    skipped: Sequence[Mapping[str, str]] = (),
    cautions: Sequence[Caution] = (),
    groups: Sequence[GroupEntry] = (),
    unchanged: bool = False,
) -> Verdict:
    """Return the outcome; what each means stands in `records.OUTCOMES`.

    In this order: `inconclusive` where a reference is invalid, where the policy asks for what was skipped, or where
    nothing that decides has power; `not removed` where the weights are the original's; `replaced` where the model
    states wrong answers, is nowhere half the way back to the original, and whole otherwise; `not removed` where more
    metrics than tolerated lie on the original's side, or most do on a group of examples, but `suppressed` where what it
    says is as gold or beyond and an attack brings it back; `suppressed` where an attack brings back what no metric
    shows; `destroyed` where what should stay was lost; `suppressed` where more than tolerated lie beyond gold;
    `inconclusive` where too much is undetermined or too few attacks were tried; else `removed`.

    Args:
        metrics: entries of metrics.
        attacks: entries of attacks.
        policy: what decides, and how far from gold it may lie.
        skipped: `name` and `reason` of what could not be computed.
        cautions: what is wrong with the references.
        groups: the metrics on parts of the forget set.
        unchanged: whether the model's weights are the original's.
    """
    judged = Judgement(metrics, attacks, policy, groups)
    failed = judged.failed()
    without = _no_ground(judged, skipped, cautions, unchanged)
    if without is not None:
        return Verdict("inconclusive", f"Inconclusive: {without}{_damage(judged)}.", failed)
    return _on_gaps(judged, failed, unchanged)


def _no_ground(
    judged: Judgement, skipped: Sequence[Mapping[str, str]], cautions: Sequence[Caution], unchanged: bool
) -> str | None:
    """Return why no verdict can be had whatever the values are, None where one can."""
    invalid = [caution for caution in cautions if caution.invalidates]
    if invalid:
        return "; ".join(f"{caution.about} is no valid reference: {caution.sentence}" for caution in invalid)
    there = {entry.name for entry in (*judged.metrics, *judged.attacks)}
    reasons = {one["name"]: one["reason"] for one in skipped}
    asked = [name for name in (*judged.policy.metrics, *judged.policy.attacks) if name not in there]
    if asked:
        return f"the policy asks for {asked[0]}, which was not carried out: {reasons.get(asked[0], 'it was left out')}"
    if judged.deciding or (unchanged and all(entry.finding == "no gold" for entry in judged.metrics)):
        return None
    return _why_no_power(judged)


def _on_gaps(judged: Judgement, failed: tuple[str, ...], unchanged: bool) -> Verdict:
    policy, deciding, damage = judged.policy, judged.deciding, _damage(judged)
    count = len(deciding)
    left, beyond = judged.left, judged.beyond
    if unchanged:
        return Verdict("not removed", "Not removed: the weights are those of the original.", failed)
    # A wrong answer shares words with the right one, which so gains some of its probability.
    little = not policy.too_many(left, deciding) or all(way(entry) < HALF for entry in left)
    if judged.replaced and not judged.damaged and little:
        false = f"it is surer of wrong answers than gold and the original ({_titles(judged.replaced)})"
        regained = f"; {_brought_back(judged)}" if judged.regained else ""
        return Verdict("replaced", f"Replaced: {false}{regained}.", failed)
    if judged.silent and judged.regained and (policy.too_many(left, deciding) or judged.left_groups):
        told = f"what it says is not the original's any more ({_titles(judged.silent)})"
        shows = _titles(left) if policy.too_many(left, deciding) else ", ".join(judged.left_groups)
        sentence = f"Suppressed: {told}, but {_brought_back(judged)}; without any attack it shows in {shows}{damage}."
        return Verdict("suppressed", sentence, failed)
    if policy.too_many(left, deciding):
        share = f"{len(left)} of {count} metrics that decide find the model on the original's side of gold"
        return Verdict("not removed", f"Not removed: {share} ({_titles(left)}){damage}.", failed)
    if judged.left_groups:
        named = ", ".join(f"{group} ({near} of {of} metrics)" for group, (near, of) in judged.left_groups.items())
        return Verdict("not removed", f"Not removed: not so on the whole, but of {named}{damage}.", failed)
    if judged.regained:
        sentence = f"Suppressed: the outputs changed, but {_brought_back(judged)}{damage}."
        return Verdict("suppressed", sentence, failed)
    if judged.damaged:
        return Verdict("destroyed", f"Destroyed: forgotten together with what should stay{damage}.", failed)
    if policy.too_many([*left, *beyond], deciding):
        share = f"{len(beyond)} of {count} metrics that decide find the model on the far side of gold"
        return Verdict("suppressed", f"Suppressed: {share}, which gives the deletion away ({_titles(beyond)}).", failed)
    return _passed(judged, failed)


def _passed(judged: Judgement, failed: tuple[str, ...]) -> Verdict:
    """Return `removed`, or what keeps it from being said."""
    deciding, recoveries, still = judged.deciding, judged.recoveries, judged.open
    allowed = judged.policy.undetermined
    unsure = [sum(one in still for one in kind) > allowed * len(kind) for kind in (deciding, recoveries)]
    if any(unsure):
        reason = f"{_titles(still)} may lie within the bound or outside; more gold models or examples would tell"
        return Verdict("inconclusive", f"Inconclusive: {reason}.", failed)
    off = len({*map(id, judged.left), *map(id, judged.beyond), *map(id, still)} & {*map(id, deciding)})
    like = f"{len(deciding) - off} of {len(deciding)} metrics that decide"
    if len(judged.tried) < judged.policy.recoveries:
        tried = f"only {len(judged.tried)} attacks were carried out" if judged.tried else "no attack was carried out"
        reason = f"{like} find the outputs like gold, but {tried}, so that it may only be hidden"
        return Verdict("inconclusive", f"Inconclusive: {reason}.", failed)
    if not recoveries:
        alike = "under the attacks that were tried the original and gold are alike"
        return Verdict("removed", f"Removed as far as outputs show: {like} find the model like gold; {alike}.", failed)
    attacks = f"none of {len(recoveries)} attacks with power brings back more than from gold"
    rest = f"; {_titles(still)} could not be told from the bound" if still else ""
    return Verdict("removed", f"Removed: {like} find the model like gold, and {attacks}{rest}.", failed)


def _why_no_power(judged: Judgement) -> str:
    metrics = judged.metrics
    if all(entry.finding == "no gold" for entry in metrics):
        return "there is no gold model to compare with; retrain two or more without the forget set"
    unknown = next((entry.power.reason for entry in metrics if entry.power.has_power is None), None)
    return unknown or "no metric that decides can tell the original from gold on this forget set"


def _damage(judged: Judgement) -> str:
    """Return a clause on what the model is worse at than gold and the original alike, or nothing."""
    clauses = [
        f"{e.title} is {number(fall(e), '%')} points below gold and original"
        if e.unit == "%"
        else f"{e.title} is {shown(fall(e), e.unit)} worse than gold and original"
        for e in judged.damaged
    ]
    return "; damaged: " + ", ".join(clauses) if clauses else ""


def _brought_back(judged: Judgement) -> str:
    return f"{_titles(judged.regained)} bring{'s' * (len(judged.regained) == 1)} back more than from gold"


def _titles(entries: Sequence[Entry], most: int = 3) -> str:
    """Return the titles, the first few of many."""
    named = [entry.title for entry in entries]
    return ", ".join(named) if len(named) <= most + 1 else f"{', '.join(named[:most])} and {len(named) - most} more"
