"""Suppression: what a method intended, what the audit found, and how far the knowledge can be brought back."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Literal

from lethe import catalogue
from lethe.auditing.evidence import Entry, Evidence
from lethe.errors import LetheError


@dataclass(frozen=True)
class Intention:
    """What was intended and what was found: the claim and the measurement, side by side.

    Args:
        intended: `removal`, `suppression`, or `unstated` where nobody said or the method is not known.
        index: the suppression index in [0, 1]; None where no test has power, or the model lost too much to say.
        by_test: the share s_t of each test that has power, by its title.
        reason: why there is no index; empty where there is one.
    """

    intended: str
    index: float | None
    by_test: tuple[tuple[str, float], ...]
    reason: str = ""

    @property
    def mean(self) -> float | None:
        """The mean over the tests, None where there is none."""
        return statistics.fmean(share for _, share in self.by_test) if self.by_test else None

    @property
    def worst(self) -> tuple[str, float] | None:
        """The test that brought back most, None where there is none."""
        return max(self.by_test, key=lambda one: one[1]) if self.by_test else None


@dataclass(frozen=True)
class SuppressionTest:
    """Removal or suppression: does what looks removed come back? The battery is whatever recovery the audit tried.

    Every attack or metric of recovery with power gives s_t = clip((a_u - a_g) / (a_0 - a_g), 0, 1) with what it has of
    the model a_u, of the original a_0 and of gold a_g, all under the same attack. The index is the mean or the maximum
    of them; 0 is a retrained model, 1 the original itself, and 1 minus the index is removal. The survey divides by the
    scores without an attack; with those under the attack the original has index 1 exactly, whatever the attack. It is a
    measurement beside the verdict and decides nothing.

    Args:
        summary: `max` takes the test that brought back most, `mean` the mean over all.
        utility: share of the utility of the original, or of gold where that is lower, the model must have kept: of a
            destroyed model nothing comes back.

    Source: Ren et al. 2025, SoK: Machine unlearning for large language models, arXiv:2506.09227.
    """

    summary: Literal["max", "mean"] = "max"
    utility: float = 0.8

    def __call__(self, evidence: Evidence) -> Intention:
        """Return what was intended and what the tests of an audit say of it."""
        intended = aim_of(evidence)
        shares = [(e.title, share) for e in recoveries(evidence) if (share := share_of(e)) is not None]
        lost = [e.title for e in evidence.metrics if _lost(e, self.utility)]
        if lost:
            least = f"{100 * self.utility:.0f} %"
            reason = f"{lost[0]} is below {least} of what gold and the original have"
            return Intention(intended, None, tuple(shares), reason)
        if not shares:
            return Intention(intended, None, (), "no test of recovery had power")
        values = [share for _, share in shares]
        return Intention(intended, max(values) if self.summary == "max" else statistics.fmean(values), tuple(shares))


def aim_of(evidence: Evidence) -> str:
    """Return what the method of an audited model aims at, as the catalogue says; `unstated` where it is not known."""
    method = evidence.subject.get("method")
    name = method.get("type") if isinstance(method, dict) else None
    for entry in catalogue.entries("method").values():
        if name and entry.path.endswith(f":{name}"):
            try:
                return str(entry.load().aims)
            except LetheError:
                break
    return "unstated"


def recoveries(evidence: Evidence) -> list[Entry]:
    """Return the attacks and metrics of recovery that can tell the original from gold."""
    return [e for e in (*evidence.metrics, *evidence.attacks) if e.kind == "recovery" and e.power.has_power]


def share_of(entry: Entry) -> float | None:
    """Return where the value lies between gold, 0, and the original, 1; None without gold or where they are alike."""
    if entry.gold_mean is None or entry.original == entry.gold_mean:
        return None
    return min(1.0, max(0.0, (entry.value - entry.gold_mean) / (entry.original - entry.gold_mean)))


def _lost(entry: Entry, least: float) -> bool:
    base = entry.original if entry.gold_mean is None else min(entry.original, entry.gold_mean)
    return entry.kind == "utility" and entry.goal == "max" and entry.value < least * base
