"""Gaps: the one number a trial is judged by, with gold models and without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.auditing import Evidence
from lethe.problem import Problem
from lethe.tasks import Classification

WORST = 1.0
"""The gap of a trial that failed or could not be measured: no model is further from gold in every share."""

NOMINAL = ("forget_accuracy", "retain_accuracy", "holdout_accuracy")


def mean_gap(evidence: Evidence, problem: Problem, alike: bool = False) -> float:
    """Return how far a model is from gold, between 0 and 1.

    The average gap where its four metrics were measured, else the mean |gap| of all shares. Where there is no gold, the
    nominal gap, if one is known. `WORST` without any of these.

    Args:
        evidence: of the model.
        problem: what was to be forgotten.
        alike: whether the forget set is known to be drawn like the holdout set; as for `nominal_gap`.
    """
    if evidence.average_gap is not None:
        return evidence.average_gap.value
    gaps = [abs(entry.gap) for entry in evidence.metrics if entry.unit == "%" and entry.gap is not None]
    if gaps:
        return sum(gaps) / len(gaps)
    nominal = None if problem.gold else nominal_gap(evidence, problem, alike)
    return WORST if nominal is None else nominal.value


@dataclass(frozen=True)
class Nominal:
    """The nominal gap of a model, and of the original, between 0 and 1."""

    value: float
    original: float


def nominal_gap(evidence: Evidence, problem: Problem, alike: bool = False) -> Nominal | None:
    """Return ⅓ (|A_f - A*| + |A_r - A_r(θ_0)| + |A_h - A_h(θ_0)|): the distance to what gold is bound to give, nearly.

    A model trained without a class never names it, A* = 0; one trained without a random part of the data is as good on
    it as on other unseen data, A* = A_h(θ_0). On the rest it is about as good as the original. None for other forget
    sets, and where an accuracy was not measured.

    Args:
        evidence: holds forget accuracy A_f, retain accuracy A_r and holdout accuracy A_h.
        problem: what was to be forgotten.
        alike: whether the forget set is known to be drawn like the holdout set.
    """
    by_name = {entry.name: entry for entry in evidence.metrics}
    classes = whole_classes(problem)
    if not (classes or alike) or any(name not in by_name for name in NOMINAL):
        return None
    original = [by_name[name].original for name in NOMINAL]
    reference = [0.0 if classes else original[-1], *original[1:]]
    return Nominal(_apart([by_name[name].value for name in NOMINAL], reference), _apart(original, reference))


def _apart(values: Sequence[float], reference: Sequence[float]) -> float:
    return sum(abs(a - b) for a, b in zip(values, reference, strict=True)) / len(values)


def whole_classes(problem: Problem) -> bool:
    """Whether no retained or holdout example has a class of the forget set."""
    if not isinstance(problem.task, Classification):
        return False
    label = problem.task.label
    gone = set(problem.forget.tensor(label).tolist())
    others = [examples for examples in (problem.retain, problem.holdout) if examples is not None]
    return all(gone.isdisjoint(examples.tensor(label).tolist()) for examples in others)
