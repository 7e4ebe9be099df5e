"""Evidence: what an audit found, as plain values that outlive the models."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lethe.auditing.power import Power
from lethe.auditing.records import OUTCOMES, AverageGap, Caution, Entry, GroupEntry, HashedFile, Outcome, Verdict
from lethe.errors import InputError
from lethe.store import digest

VERSION = 2
DIGEST, SIGNATURE = "digest", "signature"

__all__ = [
    "OUTCOMES", "VERSION", "AverageGap", "Caution", "Entry", "Evidence", "GroupEntry", "HashedFile", "Outcome",
    "Verdict", "digest_of",
]  # fmt: skip


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
        policy: the bounds it follows from, as plain data.
        warnings: what is wrong with the references.
        groups: metrics on parts of the forget set.
        settings: `metrics` and `attacks` with their hyperparameters, `seed`, and what else was asked for.
        files: what was read from disk, with hashes.
        checks: what `lethe verify` measures again: `rows`, ids by set, and `values`, by model and metric.
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
    policy: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Caution, ...] = ()
    groups: tuple[GroupEntry, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[HashedFile, ...] = ()
    checks: Mapping[str, Any] = field(default_factory=dict)

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
        """Return plain data for `evidence.json`; numbers that are not finite become null.

        Beside the fields it holds the schema's `version`, the `outcomes` with what each means, and the `digest` of all
        that, by which `lethe verify` sees whether a value was changed.
        """
        plain = {"version": VERSION, "outcomes": dict(OUTCOMES), **_plain(dataclasses.asdict(self))}
        return {**plain, DIGEST: digest_of(plain)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the evidence that `to_json` described.

        Raises:
            InputError: the data are of another version, or are no evidence.
        """
        _check_version(value.get("version"))
        try:
            rest = {name: part for name, part in value.items() if name not in _BESIDE}
            gap = rest["average_gap"]
            return cls(
                **rest
                | {
                    "metrics": tuple(_entry(one) for one in rest["metrics"]),
                    "attacks": tuple(_entry(one) for one in rest["attacks"]),
                    "skipped": tuple(rest["skipped"]),
                    "average_gap": AverageGap(**gap | {"gold": tuple(gap["gold"])}) if gap else None,
                    "verdict": Verdict(**rest["verdict"] | {"failed": tuple(rest["verdict"]["failed"])}),
                    "warnings": tuple(Caution(**one) for one in rest["warnings"]),
                    "groups": tuple(_group(one) for one in rest["groups"]),
                    "files": tuple(HashedFile(**one) for one in rest["files"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"this is no evidence of an audit ({error}); run the audit again") from None


_BESIDE = frozenset({"version", "outcomes", DIGEST, SIGNATURE})


def digest_of(value: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an evidence as plain data, whatever stands in its `digest` and `signature`."""
    return digest({name: part for name, part in value.items() if name not in (DIGEST, SIGNATURE)})


def _check_version(version: Any) -> None:
    if version == VERSION:
        return
    if not isinstance(version, int):
        raise InputError("this is no evidence of an audit (it names no version); run the audit again")
    mend = "update lethe" if version > VERSION else "run the audit again"
    raise InputError(f"evidence of version {version} cannot be read here, only of version {VERSION}; {mend}")


def _entry(value: Mapping[str, Any]) -> Entry:
    return Entry(
        **{
            **value,
            "gold": tuple(value["gold"]),
            "interval": _ends(value["interval"]),
            "recovered_interval": _ends(value["recovered_interval"]),
            "power": Power(**value["power"]),
            "gold_details": tuple(value["gold_details"]),
        }
    )


def _group(value: Mapping[str, Any]) -> GroupEntry:
    return GroupEntry(**{**value, "gold": tuple(value["gold"]), "interval": _ends(value["interval"])})


def _ends(interval: Any) -> tuple[float, float] | None:
    return (interval[0], interval[1]) if interval else None


def _plain(value: Any) -> Any:
    """Return the value with tuples as lists and numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
