"""The policy in the report: every line an audit was judged by, with what was found and whether it passed."""

from __future__ import annotations

from dataclasses import dataclass

from lethe.auditing.evidence import Entry, Evidence
from lethe.auditing.judgement import Judgement, fall
from lethe.auditing.policy import Policy
from lethe.numbers import number, shown
from lethe.report.checklist import could_fail, policy_of

STANDING = {"pass": "good", "fail": "bad", "undetermined": "mute", "no power": "mute", "not known": "mute"}


@dataclass(frozen=True)
class Line:
    """One line of the policy on one model.

    Args:
        key: where the bound stands in the policy.
        title: the metric or attack.
        found: what was found, with its interval.
        bound: the most that is allowed here.
        answer: pass, fail, undetermined, no power or not known.
    """

    key: str
    title: str
    found: str
    bound: str
    answer: str

    @property
    def standing(self) -> str:
        """The colour class of the answer."""
        return STANDING[self.answer]


def lines(evidence: Evidence) -> list[Line]:
    """Return the lines that a model was judged by: behaviour, recovery, utility, false answers, what had to be done."""
    policy = policy_of(evidence)
    judged = Judgement(evidence.metrics, evidence.attacks, policy)
    metrics = evidence.metrics
    behaviour = [_gap(e, judged) for e in metrics if policy.decides(e.name, e.kind)]
    recovery = [_recovery(e, judged) for e in (*metrics, *evidence.attacks) if e.kind == "recovery"]
    utility = [_fall(e, judged) for e in metrics if e.kind == "utility"]
    false = [_false(e, judged) for e in metrics if e.name in policy.replaced]
    return [*behaviour, *recovery, *utility, *false, *_required(evidence, policy)]


def _gap(entry: Entry, judged: Judgement) -> Line:
    off = entry in judged.left or entry in judged.beyond
    return Line(
        judged.policy.line_of(entry), entry.title, _with_interval(entry), _bound(entry), _answer(entry, failed=off)
    )


def _recovery(entry: Entry, judged: Judgement) -> Line:
    answer = _answer(entry, failed=entry in judged.regained)
    if entry.recovered is None:
        return Line(judged.policy.line_of(entry), entry.title, _with_interval(entry), _bound(entry), answer)
    ends = ""
    if entry.recovered_interval is not None:
        low, high = (number(end, "%") for end in entry.recovered_interval)
        ends = f" [{low} to {high}]"
    found = f"{shown(entry.recovered, '%')}{ends} brought back beyond gold"
    return Line("recovered", entry.title, found, shown(judged.policy.recovered, "%"), answer)


def _fall(entry: Entry, judged: Judgement) -> Line:
    if entry.gold_mean is None or entry.bound is None:
        return Line(judged.policy.line_of(entry), entry.title, "no gold to compare with", "", "not known")
    found = f"{_size(max(0.0, fall(entry)), entry)} worse than gold and original"
    answer = "fail" if entry in judged.damaged else "pass" if could_fail(entry) else "no power"
    return Line(judged.policy.line_of(entry), entry.title, found, _size(entry.bound, entry), answer)


def _false(entry: Entry, judged: Judgement) -> Line:
    bound = _size(judged.policy.replaced[entry.name], entry)
    answer = "fail" if entry in judged.replaced else "pass" if entry.gap is not None else "not known"
    return Line(f"replaced.{entry.name}", entry.title, _with_interval(entry), bound, answer)


def _required(evidence: Evidence, policy: Policy) -> list[Line]:
    """Return what the policy wanted computed or carried out."""
    there = {entry.name for entry in (*evidence.metrics, *evidence.attacks)}
    reasons = {one["name"]: one["reason"] for one in evidence.skipped}
    return [
        Line(part, name, "carried out" if name in there else reasons.get(name, "left out"), "has to be carried out",
             "pass" if name in there else "fail")
        for part, names in (("metrics", policy.metrics), ("attacks", tuple(policy.attacks)))
        for name in names
    ]  # fmt: skip


def _answer(entry: Entry, *, failed: bool) -> str:
    if failed:
        return "fail"
    if entry.gap is None:
        return "not known"
    if not entry.power.has_power:
        return "no power"
    return "undetermined" if entry.finding == "undetermined" else "pass"


def _with_interval(entry: Entry) -> str:
    if entry.gap is None:
        return "no gold to compare with"
    ends = ""
    if entry.interval is not None:
        low, high = (number(end, entry.unit) for end in entry.interval)
        ends = f" [{low} to {high}]"
    return f"{_size(entry.gap, entry)}{ends} from gold"


def _bound(entry: Entry) -> str:
    return "" if entry.bound is None else f"±{_size(entry.bound, entry)}"


def _size(value: float, entry: Entry) -> str:
    return f"{number(value, '%')} points" if entry.unit == "%" else shown(value, entry.unit)
