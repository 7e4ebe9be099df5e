"""Records: the parts an evidence is made of, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lethe.auditing.power import Finding, Power

Outcome = Literal["removed", "suppressed", "not removed", "destroyed", "replaced", "inconclusive"]

OUTCOMES: Mapping[Outcome, str] = {
    "removed": (
        "The model behaves as gold does, as a model that never saw the forget set: every difference that decides is "
        "within the policy's bound, no attack brings back more than it brings out of gold, and nothing else was lost."
    ),
    "suppressed": (
        "What the model says changed, but the forget set is still to be had from it: an attack brings back more than "
        "out of gold, or the outputs lie so far on the other side of gold that they give the deletion away."
    ),
    "not removed": (
        "Without any attack the model still behaves more like the original than the policy allows, in what it says or, "
        "where no attack brings back more than from gold, in how likely it finds it."
    ),
    "destroyed": (
        "The forget set is forgotten together with what should stay: on retained or unseen data the model lies further "
        "below gold and the original than the policy allows."
    ),
    "replaced": (
        "The model states wrong answers with confidence where gold is ignorant: what was known was overwritten by "
        "something false."
    ),
    "inconclusive": (
        "The audit cannot say: original and gold cannot be told apart on this forget set, a reference is missing or "
        "invalid, or the differences cannot be told from the policy's bounds. The reason is named."
    ),
}
"""The six outcomes of an audit and what each means."""


@dataclass(frozen=True)
class Verdict:
    """What the audit concludes.

    Args:
        outcome: removed, suppressed, not removed, destroyed, replaced or inconclusive; see `OUTCOMES`.
        sentence: why, in one sentence.
        failed: the lines of the policy that the model failed, each with what was found.
    """

    outcome: Outcome
    sentence: str
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One metric or attack: the model's value beside the original's and gold's.

    Args:
        name: slug of the metric or attack.
        title: what tables call it.
        unit: `%` (values are fractions), `nats`, or empty.
        kind: forgetting, utility, privacy, distance or recovery.
        goal: which value is best: `gold`, `max` or `min`.
        value: the model's; of an attack, under the attack.
        original: the original's.
        gold: one a gold model, each measured without itself among its references.
        gold_mean: mean of those; None without gold.
        gold_spread: standard deviation between gold seeds, at least the metric's resolution; None below two.
        gap: value minus gold mean.
        gap_in_spreads: the gap in units of the gold spread.
        interval: 95 % confidence interval of the gap.
        power: whether the metric can tell the original from gold here.
        finding: where the value lies between gold and the original.
        details: what else the metric showed of the model (curves, histograms, values by layer).
        original_details: the same of the original.
        gold_details: the same of each gold model.
        bound: the largest gap that counts as gold: the policy's, and no less than what another gold seed may do.
        before: of an attack, the same quantity of the model without it; None where that makes no sense.
        recovered: of an attack, the share of what the original knows and the model did not show that came back, less
            what the same attack adds to gold: ((after - before) - (gold after - gold before)) / (original before -
            before).
        recovered_interval: 95 % confidence interval of that share.
    """

    name: str
    title: str
    unit: str
    kind: str
    goal: str
    value: float
    original: float
    gold: tuple[float, ...]
    gold_mean: float | None
    gold_spread: float | None
    gap: float | None
    gap_in_spreads: float | None
    interval: tuple[float, float] | None
    power: Power
    finding: Finding
    details: Mapping[str, Any] = field(default_factory=dict)
    original_details: Mapping[str, Any] = field(default_factory=dict)
    gold_details: tuple[Mapping[str, Any], ...] = ()
    bound: float | None = None
    before: float | None = None
    recovered: float | None = None
    recovered_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class GroupEntry:
    """One metric on one part of the forget set: a label, a column's value, the most memorised examples.

    Args:
        metric: slug of the metric.
        group: what the examples have in common, as `label = 3`.
        size: number of examples.
        value: the model's.
        original: the original's.
        gold: one a gold model.
        gold_mean: mean of those; None without gold.
        gap: value minus gold mean.
        interval: 95 % confidence interval of the gap.
        finding: where the value lies between gold and the original.
    """

    metric: str
    group: str
    size: int
    value: float
    original: float
    gold: tuple[float, ...]
    gold_mean: float | None
    gap: float | None
    interval: tuple[float, float] | None
    finding: Finding


@dataclass(frozen=True)
class Caution:
    """Something wrong with what the model was set beside.

    Args:
        about: what is meant: `gold 2`, `holdout`, `original`.
        sentence: what is wrong with it and how it was found out.
        invalidates: whether no verdict can rest on it.
    """

    about: str
    sentence: str
    invalidates: bool = False


@dataclass(frozen=True)
class HashedFile:
    """A file the audit read.

    Args:
        role: `unlearned`, `original`, `gold 1`, `forget`, `retain`, `holdout`, `policy` …
        path: where it lay.
        sha256: SHA-256 of its content.
    """

    role: str
    path: str
    sha256: str


@dataclass(frozen=True)
class AverageGap:
    """Mean of |value - gold| over forget, retain and test accuracy and the efficacy of membership inference.

    Args:
        value: the model's.
        original: the original's.
        gold: each gold model's, against the mean of the others.

    Source: Jia et al. 2023, arXiv:2304.04934; as an average, Fan et al. 2024, arXiv:2310.12508.
    """

    value: float
    original: float
    gold: tuple[float, ...] = ()
