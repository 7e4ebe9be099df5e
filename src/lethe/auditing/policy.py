"""Policy: which measurements decide an audit, and how far from gold a model may lie; the user's to own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from lethe.auditing.settings import plain
from lethe.errors import ConfigurationError

if TYPE_CHECKING:
    from lethe.auditing.records import Entry

SHARE = "share"
UNITS = ("%", "nats", SHARE)


def _bounds() -> dict[str, float]:
    return {"%": 0.05, "nats": 0.25, SHARE: 0.25}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What decides an audit, and by how much a model may differ from gold.

    A bound holds for one metric or attack by its name, or for all of one unit: `%` (a fraction, 0.05 is five points),
    `nats`, and `share`, the part of the distance between original and gold, for anything else. No bound is smaller
    than what another gold seed may do (see `power.reach`), and a metric has power only where the original itself would
    be found out.

    Args:
        decide: kinds of metrics, or their names, that decide how the model behaves.
        exempt: metrics that decide nothing all the same: p-values, which grow with the number of examples and are no
            size, and what says nothing of the forget set.
        bounds: largest gap to gold, by name or unit.
        utility: largest fall below gold and original of what should stay, by name or unit.
        replaced: how far confidence in wrong answers may lie above gold's and the original's, by metric.
        said: metrics of what the model says by itself: where these find nothing of the original any more, and an attack
            brings back more than from gold, the model is `suppressed`, whatever its likelihoods still show.
        recovered: largest share of the forgotten that an attack may bring back beyond what it brings out of gold.
        tolerated: share of the deciding metrics with power of one kind that may miss their bound, as one in twenty does
            for gold itself; a metric whose bound is given by name may not.
        undetermined: share of what decides that may stay undetermined, its value outside the bound on the original's
            side and its interval across it; where more does, the audit is inconclusive.
        groups: share of the way from gold to the original from which a part of the forget set (a group of examples)
            counts as not removed, where most metrics that decide find it so; 1 or more looks at no groups.
        recoveries: fewest attacks and metrics of recovery that have to be carried out before a model is `removed`.
        metrics: metrics that have to be computed, else the audit is inconclusive.
        attacks: attacks that have to be carried out, with their settings (the budget), else it is inconclusive.
    """

    decide: tuple[str, ...] = ("forgetting", "privacy")
    exempt: tuple[str, ...] = (
        "forget_quality",
        "relative_test",
        "relative_text_test",
        "mia_privacy",
        # Of a model that generalises well their attacker learns nothing, and judges all unseen values alike by chance.
        "mia_correctness",
        "mia_modified_entropy",
        "forget_wrong_confidence",
        "forget_wrong_probability",
    )
    bounds: Mapping[str, float] = field(default_factory=_bounds)
    utility: Mapping[str, float] = field(default_factory=_bounds)
    replaced: Mapping[str, float] = field(
        default_factory=lambda: {"forget_wrong_confidence": 0.4, "forget_wrong_probability": 0.4}
    )
    said: tuple[str, ...] = ("forget_accuracy", "forget_rouge")
    recovered: float = 0.2
    tolerated: float = 0.25
    undetermined: float = 0.5
    groups: float = 0.5
    recoveries: int = 1
    metrics: tuple[str, ...] = ()
    attacks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("bounds", "utility"):
            # A policy that names some bounds keeps the others as they are.
            object.__setattr__(self, name, {**_bounds(), **getattr(self, name)})
        named = [
            (f"{part}.{key}", value) for part in ("bounds", "utility", "replaced") for key, value in self._of(part)
        ]
        for key, value in [*named, ("recovered", self.recovered), ("groups", self.groups)]:
            if not (math.isfinite(value) and value > 0):
                raise ConfigurationError(f"policy: {key} must be greater than 0, not {value}")
        for key, value in (("tolerated", self.tolerated), ("undetermined", self.undetermined)):
            if not 0 <= value < 1:
                raise ConfigurationError(f"policy: {key} must be at least 0 and below 1, not {value}")
        if self.recoveries < 0:
            raise ConfigurationError(f"policy: recoveries must not be negative, not {self.recoveries}")

    def too_many(self, missed: Sequence[Entry], deciding: Sequence[Entry]) -> bool:
        """Return whether more metrics of a kind missed their bound than tolerated, or one whose bound has its name."""
        if any(entry.name in self.bounds for entry in missed):
            return True
        kinds = {entry.kind for entry in missed}
        counts = [[sum(e.kind == kind for e in some) for some in (missed, deciding)] for kind in kinds]
        return any(misses > self.tolerated * every for misses, every in counts)

    def _of(self, part: str) -> list[tuple[str, float]]:
        return list(getattr(self, part).items())

    def decides(self, name: str, kind: str) -> bool:
        """Return whether a metric decides how the model behaves."""
        return name not in self.exempt and (name in self.decide or kind in self.decide)

    def bound(self, name: str, unit: str, kind: str, apart: float) -> float:
        """Return the largest gap of a metric or attack.

        Args:
            name: its slug.
            unit: its unit.
            kind: what it speaks of.
            apart: distance between the original and the gold mean.
        """
        key = self.line(name, unit, kind)[1]
        value = self._part(kind)[key]
        return value * abs(apart) if key == SHARE else value

    def line(self, name: str, unit: str, kind: str) -> tuple[str, str]:
        """Return where the bound of a metric or attack stands in the policy: section and key."""
        part = self._part(kind)
        key = name if name in part else unit if unit in part else SHARE
        return ("utility" if kind == "utility" else "bounds"), key

    def _part(self, kind: str) -> Mapping[str, float]:
        return self.utility if kind == "utility" else self.bounds

    def line_of(self, entry: Entry) -> str:
        """Return the line of the policy an entry is judged by, as `bounds.forget_accuracy`."""
        return ".".join(self.line(entry.name, entry.unit, entry.kind))

    def to_dict(self) -> dict[str, Any]:
        """Return the policy as plain data."""
        return {name: value for name, value in plain(self).items() if name != "type"}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the policy that `to_dict` described; raises ConfigurationError where it described none."""
        fields: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in value.items()}
        try:
            return cls(**fields)
        except (TypeError, AttributeError, ValueError) as error:
            raise ConfigurationError(f"this is no policy ({error})") from None


DEFAULT = Policy()
