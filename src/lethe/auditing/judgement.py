"""Judgement: each entry of an audit against its line of the policy, before anything is concluded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lethe.auditing.policy import Policy
from lethe.auditing.records import Entry, GroupEntry
from lethe.numbers import number, shown

_SILENT = ("no power", "no gold")


@dataclass(frozen=True)
class Judgement:
    """What an audit measured, sorted by what the policy makes of it.

    Args:
        metrics: the entries of metrics.
        attacks: those of attacks.
        policy: what decides.
        groups: the metrics on parts of the forget set.
    """

    metrics: Sequence[Entry]
    attacks: Sequence[Entry]
    policy: Policy
    groups: Sequence[GroupEntry] = ()

    @cached_property
    def deciding(self) -> list[Entry]:
        """The metrics with power that decide how the model behaves."""
        return [e for e in self.metrics if self.policy.decides(e.name, e.kind) and e.power.has_power]

    @cached_property
    def left(self) -> list[Entry]:
        """Those that find the model on the original's side, beyond the bound.

        Of a damaged model only those of forgetting count: what an attacker on membership says of a model that answers
        nothing any more is chance. So is a forget accuracy above gold's in a model that has lost half of what should
        stay: there only those count that find it like the original.
        """
        found = [e for e in self.deciding if on_the_original_side(e)]
        if self.wrecked:
            found = [e for e in found if e.finding == "like the original"]
        return [e for e in found if e.kind == "forgetting"] if self.damaged else found

    @cached_property
    def left_groups(self) -> dict[str, tuple[int, int]]:
        """The groups that most deciding metrics with power find near the original: how many do, and of how many.

        One metric on one of many groups misses its bound by chance; a group that leaked shows in most of them.
        """
        if self.policy.groups >= 1:
            return {}
        kinds = {entry.name: entry.kind for entry in self.metrics}
        found: dict[str, tuple[int, int]] = {}
        for entry in self.groups:
            if self.policy.decides(entry.metric, kinds.get(entry.metric, "")) and entry.finding not in _SILENT:
                near, of = found.get(entry.group, (0, 0))
                found[entry.group] = near + self._near(entry), of + 1
        return {group: (near, of) for group, (near, of) in found.items() if 2 * near > of}

    def _near(self, entry: GroupEntry) -> bool:
        if entry.gap is None or entry.gold_mean is None or not on_the_original_side(entry):
            return False
        return entry.gap / (entry.original - entry.gold_mean) >= self.policy.groups

    @cached_property
    def silent(self) -> list[Entry]:
        """The metrics of what the model says, where they find nothing of the original on the whole or in a group."""
        said = [e for e in self.deciding if e.name in self.policy.said]
        in_part = any(entry.metric in self.policy.said and self._near(entry) for entry in self.groups)
        changed = all(e.finding in ("like gold", "beyond gold") for e in said)
        return said if changed and not in_part else []

    @cached_property
    def beyond(self) -> list[Entry]:
        """Those that find it beyond the bound on the other side of gold."""
        return [e for e in self.deciding if e.finding == "beyond gold"]

    @cached_property
    def tried(self) -> list[Entry]:
        """The attacks, and the metrics of recovery, that were carried out on the model and on gold."""
        return [e for e in (*self.metrics, *self.attacks) if e.kind == "recovery" and e.power.has_power is not None]

    @cached_property
    def recoveries(self) -> list[Entry]:
        """Those of them with power: they bring more out of the original than out of gold."""
        return [e for e in self.tried if e.power.has_power]

    @cached_property
    def regained(self) -> list[Entry]:
        """Those that bring back more than they bring out of gold."""
        return [e for e in self.recoveries if on_the_original_side(e) and self._enough(e)]

    @cached_property
    def damaged(self) -> list[Entry]:
        """The metrics of utility that lie below gold and the original alike, by more than the bound."""
        return [e for e in self.metrics if e.kind == "utility" and e.bound is not None and fall(e) > e.bound]

    @cached_property
    def wrecked(self) -> bool:
        """Whether a share of what should stay fell by more than half."""
        shares = [e for e in self.damaged if e.unit == "%" and e.goal == "max" and e.gold_mean is not None]
        return any(e.value < min(e.original, e.gold_mean or 0.0) / 2 for e in shares)

    @cached_property
    def replaced(self) -> list[Entry]:
        """The metrics of confidence in wrong answers that lie above gold and the original by more than the bound."""
        return [e for e in self.metrics if e.name in self.policy.replaced and self._false(e)]

    @cached_property
    def open(self) -> list[Entry]:
        """What decides, on the original's side, with its value outside the bound but its interval across it."""
        every = (*self.deciding, *self.recoveries)
        return [e for e in every if e.finding == "undetermined" and _towards(e) > (e.bound or 0.0)]

    def failed(self) -> tuple[str, ...]:
        """Return the lines of the policy that failed, each with what was found."""
        gaps = (_gap(self.policy.line_of(e), e) for e in (*self.left, *self.beyond))
        back = (self._regained(e) for e in self.regained)
        hurt = (
            f"{self.policy.line_of(e)}: {e.title} is {_size(fall(e), e)} worse than gold and original, "
            f"more than {_size(e.bound or 0.0, e)}"
            for e in self.damaged
        )
        parts = (
            f"groups: {near} of {of} metrics find {group} at least {number(self.policy.groups, '%')} % "
            "of the way to the original"
            for group, (near, of) in self.left_groups.items()
        )
        false = (
            f"replaced.{e.name}: {e.title} is {_size(e.gap or 0.0, e)} above gold, "
            f"more than {_size(self.policy.replaced[e.name], e)}"
            for e in self.replaced
        )
        return (*gaps, *parts, *back, *hurt, *false)

    def _enough(self, entry: Entry) -> bool:
        if entry.recovered is None:
            return True
        lowest = entry.recovered_interval[0] if entry.recovered_interval is not None else entry.recovered
        return lowest > self.policy.recovered

    def _false(self, entry: Entry) -> bool:
        if entry.gap is None or entry.interval is None or entry.bound is None:
            return False
        most = max(self.policy.replaced[entry.name], entry.bound)
        return entry.interval[0] > 0 and min(entry.gap, entry.value - entry.original) > most

    def _regained(self, entry: Entry) -> str:
        if entry.recovered is None:
            return _gap(self.policy.line_of(entry), entry)
        return (
            f"recovered: {entry.title} brings back {number(entry.recovered, '%')} % beyond what it brings out of gold, "
            f"more than {number(self.policy.recovered, '%')} %"
        )


def on_the_original_side(entry: Entry | GroupEntry) -> bool:
    """Return whether an entry finds the model beyond the bound, on the original's side of gold."""
    return entry.finding in ("between", "like the original")


def way(entry: Entry) -> float:
    """Return which part of the way from gold to the original the value has gone."""
    if entry.gold_mean is None or entry.original == entry.gold_mean:
        return 0.0
    return (entry.value - entry.gold_mean) / (entry.original - entry.gold_mean)


def _towards(entry: Entry) -> float:
    """Return the size of a gap on the original's side, 0 on the other."""
    return abs(entry.gap or 0.0) if way(entry) > 0 else 0.0


def fall(entry: Entry) -> float:
    """Return how much worse the value is than gold and original alike; 0 or less where it is not."""
    if entry.gold_mean is None:
        return 0.0
    if entry.goal == "min":
        return entry.value - max(entry.original, entry.gold_mean)
    return min(entry.original, entry.gold_mean) - entry.value


def _gap(line: str, entry: Entry) -> str:
    assert entry.gap is not None
    ends = ""
    if entry.interval is not None:
        low, high = (number(end, entry.unit) for end in entry.interval)
        ends = f" [{low} to {high}]"
    most = _size(entry.bound or 0.0, entry)
    return f"{line}: {entry.title} is {_size(entry.gap, entry)}{ends} from gold, more than {most}"


def _size(value: float, entry: Entry) -> str:
    return f"{number(value, '%')} points" if entry.unit == "%" else shown(value, entry.unit)
