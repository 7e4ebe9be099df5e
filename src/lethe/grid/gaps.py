"""Gaps: the one number a trial is judged by, with gold models and without them."""

from __future__ import annotations

from collections.abc import Mapping

from lethe.auditing import Evidence
from lethe.problem import Problem
from lethe.tasks import Classification

WORST = 1.0
"""The gap of a trial that failed or could not be measured: no model is further from gold in every share."""

NOMINAL = ("forget_accuracy", "retain_accuracy", "holdout_accuracy")


def mean_gap(evidence: Evidence, problem: Problem) -> float:
    """Return how far a model is from gold, between 0 and 1.

    The average gap where its four metrics were measured, else the mean |gap| of all shares. Where there is no gold but
    whole classes are forgotten, the nominal gap. `WORST` without any of these.
    """
    if evidence.average_gap is not None:
        return evidence.average_gap.value
    gaps = [abs(entry.gap) for entry in evidence.metrics if entry.unit == "%" and entry.gap is not None]
    if gaps:
        return sum(gaps) / len(gaps)
    by_name = {entry.name: entry for entry in evidence.metrics}
    if problem.gold or not whole_classes(problem) or any(name not in by_name for name in NOMINAL):
        return WORST
    return nominal_gap(
        {name: by_name[name].value for name in NOMINAL}, {name: by_name[name].original for name in NOMINAL}
    )


def nominal_gap(values: Mapping[str, float], original: Mapping[str, float]) -> float:
    """Return ⅓ (A_f + |A_r - A_r(θ_0)| + |A_h - A_h(θ_0)|): the distance to what gold is bound to give, nearly.

    A model trained without a class never names it, A_f = 0; on the other classes it is about as good as the original.

    Args:
        values: forget, retain and holdout accuracy of the model, by `NOMINAL`.
        original: the same of the original.

    >>> names = ("forget_accuracy", "retain_accuracy", "holdout_accuracy")
    >>> round(nominal_gap(dict(zip(names, (0.3, 0.9, 0.8))), dict(zip(names, (1.0, 1.0, 0.9)))), 3)
    0.167
    """
    forget, *kept = NOMINAL
    return (values[forget] + sum(abs(values[name] - original[name]) for name in kept)) / len(NOMINAL)


def whole_classes(problem: Problem) -> bool:
    """Whether no retained or holdout example has a class of the forget set."""
    if not isinstance(problem.task, Classification):
        return False
    label = problem.task.label
    gone = set(problem.forget.tensor(label).tolist())
    others = [examples for examples in (problem.retain, problem.holdout) if examples is not None]
    return all(gone.isdisjoint(examples.tensor(label).tolist()) for examples in others)
