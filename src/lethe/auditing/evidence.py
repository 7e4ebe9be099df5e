"""Evidence: what an audit found, as plain values that outlive the models."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from lethe.auditing.power import Finding, Power
from lethe.errors import InputError

VERSION = 1
Outcome = Literal["removed", "suppressed", "not removed", "beyond gold", "undecided"]


@dataclass(frozen=True)
class Entry:
    """One metric or attack: the model's value beside the original's and gold's.

    Args:
        name: slug of the metric or attack.
        title: what tables call it.
        unit: `%` (values are fractions), `nats`, or empty.
        kind: forgetting, utility, privacy, distance or recovery.
        goal: which value is best: `gold`, `max` or `min`.
        value: the model's.
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


@dataclass(frozen=True)
class Verdict:
    """What the audit concludes.

    Args:
        outcome: removed, suppressed, not removed, beyond gold or undecided.
        sentence: why.
    """

    outcome: Outcome
    sentence: str


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


@dataclass(frozen=True)
class Evidence:
    """Everything one audit of one model found.

    Args:
        subject: `name` of the model and `method` (plain data) that made it, None where unknown.
        models: hashes of `unlearned`, `original` and each `gold` model.
        data: hashes of the `forget`, `retain` and `holdout` sets.
        counts: number of examples in each of them.
        versions: of everything the numbers depend on.
        cost: `seconds` of unlearning, `retrain_seconds` and their ratio `relative`; None where nobody measured them.
        metrics: one entry a metric.
        attacks: one entry an attack.
        skipped: `name` and `reason` of every metric and attack that could not be computed.
        average_gap: None where one of its four metrics is missing.
        verdict: what follows.
    """

    subject: Mapping[str, Any]
    models: Mapping[str, Any]
    data: Mapping[str, str | None]
    counts: Mapping[str, int]
    versions: Mapping[str, str]
    cost: Mapping[str, float | None] | None
    metrics: tuple[Entry, ...]
    attacks: tuple[Entry, ...]
    skipped: tuple[Mapping[str, str], ...]
    average_gap: AverageGap | None
    verdict: Verdict

    @property
    def name(self) -> str:
        """The name of the audited model."""
        return str(self.subject["name"])

    def entry(self, name: str) -> Entry:
        """Return the entry of that metric or attack; raises InputError where the audit has none."""
        for entry in (*self.metrics, *self.attacks):
            if entry.name == name:
                return entry
        reason = next((s["reason"] for s in self.skipped if s["name"] == name), "it was not asked for")
        raise InputError(f"the evidence on '{self.name}' holds no '{name}': {reason}")

    def to_json(self) -> dict[str, Any]:
        """Return plain data for `evidence.json`; numbers that are not finite become null."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return {"version": VERSION, **plain}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the evidence that `to_json` described.

        Raises:
            InputError: the data are of another version, or are no evidence.
        """
        if value.get("version") != VERSION:
            raise InputError(
                f"evidence of version {value.get('version')} cannot be read here, only {VERSION}; run the audit again"
            )
        try:
            rest = {name: part for name, part in value.items() if name != "version"}
            gap = rest["average_gap"]
            return cls(
                **rest
                | {
                    "metrics": tuple(_entry(one) for one in rest["metrics"]),
                    "attacks": tuple(_entry(one) for one in rest["attacks"]),
                    "skipped": tuple(rest["skipped"]),
                    "average_gap": AverageGap(**gap | {"gold": tuple(gap["gold"])}) if gap else None,
                    "verdict": Verdict(**rest["verdict"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"this is no evidence of an audit ({error}); run the audit again") from None


def _entry(value: Mapping[str, Any]) -> Entry:
    interval = value["interval"]
    return Entry(
        **{
            **value,
            "gold": tuple(value["gold"]),
            "interval": (interval[0], interval[1]) if interval else None,
            "power": Power(**value["power"]),
            "gold_details": tuple(value["gold_details"]),
        }
    )


def _plain(value: Any) -> Any:
    """Return the value with tuples as lists and numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
