"""Levels: too much or too little, from the very rows of the forget set to data that have nothing to do with it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lethe.auditing.evidence import Entry, Evidence
from lethe.report.suppression import share_of

NEAR = ("retain",)
FAR = ("holdout", "test", "model_utility", "world", "unrelated")


@dataclass(frozen=True)
class Level:
    """How one level fared.

    Args:
        name: what the examples are.
        what: `residual`, the share that is left where all should be gone, or `damage`, the share that is lost where
            all should stay.
        share: in [0, 1].
        metrics: titles of what it is the mean of.
    """

    name: str
    what: str
    share: float
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Extent:
    """Over- and under-removal of one model.

    Args:
        levels: those that were measured, from near to far.
        balanced: the balanced score; None where either side was not measured.
    """

    levels: tuple[Level, ...]
    balanced: float | None


@dataclass(frozen=True)
class RemovalLevels:
    """Too much or too little removal, by level: exact rows, other ways of asking, near data, unrelated data.

    Residual at the first two is the mean of clip((v - g) / (o - g), 0, 1) over metrics (or attacks that only ask) with
    power. Damage at the last two is the mean of clip((b - v) / b, 0, 1) over metrics of utility, b being the lower of
    the original and gold. The balanced score is the harmonic mean of 1 - residual and 1 - damage, each the mean over
    its levels: 0 for the original and for a model that answers nothing, 1 for gold.

    Args:
        asking: names of the attacks that ask for the same in other ways.

    Source: Qu et al. 2024, The frontier of data erasure, arXiv:2403.15779, names over- and under-removal; the score is
        one way to put numbers to it.
    """

    asking: tuple[str, ...] = ("rephrasing", "translation", "few_shot", "benign")

    def __call__(self, evidence: Evidence) -> Extent:
        """Return the levels of an audit's evidence."""
        rows = [e for e in evidence.metrics if e.kind == "forgetting" and e.power.has_power]
        asked = [e for e in evidence.attacks if e.name in self.asking and e.power.has_power]
        useful = [e for e in evidence.metrics if e.kind == "utility" and e.goal == "max"]
        residual = [
            level
            for name, entries in (("the very rows", rows), ("asked in other ways", asked))
            if (level := _level(name, "residual", [(e.title, share_of(e)) for e in entries]))
        ]
        damage = [
            level
            for name, parts in (("near: data of the same kind", NEAR), ("far: unseen and unrelated data", FAR))
            if (level := _level(name, "damage", [(e.title, damage_of(e)) for e in useful if _is(e, parts)]))
        ]
        return Extent((*residual, *damage), balanced(residual, damage))


def damage_of(entry: Entry) -> float | None:
    """Return the share of what gold and the original can both do that the model cannot; None without gold."""
    base = entry.original if entry.gold_mean is None else min(entry.original, entry.gold_mean)
    return min(1.0, max(0.0, (base - entry.value) / base)) if base > 0 else None


def balanced(residual: Sequence[Level], damage: Sequence[Level]) -> float | None:
    """Return the harmonic mean of 1 - residual and 1 - damage, None where one of them was not measured.

    >>> level = lambda share: Level("", "", share, ())
    >>> balanced([level(0.5)], [level(0.0)]), balanced([level(1.0)], [level(0.0)])
    (0.6666666666666666, 0.0)
    """
    if not residual or not damage:
        return None
    gone, kept = (1 - statistics.fmean(level.share for level in levels) for levels in (residual, damage))
    return 2 * gone * kept / (gone + kept) if gone + kept > 0 else 0.0


def _level(name: str, what: str, shares: Sequence[tuple[str, float | None]]) -> Level | None:
    known = [(title, share) for title, share in shares if share is not None]
    if not known:
        return None
    return Level(name, what, statistics.fmean(share for _, share in known), tuple(title for title, _ in known))


def _is(entry: Entry, parts: Sequence[str]) -> bool:
    return any(entry.name.startswith(part) for part in parts)
