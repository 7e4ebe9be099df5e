"""Forgetting quality score: how well the best threshold tells an unlearned model's outputs from a retrained one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lethe.ui.schema import AttackCurve, AttackView, Statistic

DELTA = 1e-5
SCORED = ("entropy", "confidence")
SCORED_TEXT = ("loss", "confidence")

CLASSIFIER_STATISTICS = (
    Statistic("confidence", "Confidence ln p / (1 - p) of the predicted class", -2.5, 10.0, 0.25, "above", 3.75),
    Statistic("entropy", "Entropy of the prediction at temperature 2 (nats)", 0.0, 2.5, 0.05, "below", 1.25),
    Statistic("loss", "Loss -ln p of the label (nats)", 0.0, 5.0, 0.1, "below", 0.5),
)
TEXT_STATISTICS = (
    Statistic("loss", "Loss a token of the answer (nats)", 0.0, 10.0, 0.2, "below", 1.0),
    Statistic("confidence", "Confidence ln P / (1 - P) of the answer", -10.0, 10.0, 0.4, "above", 0.0),
    Statistic("min_k", "Min-k: mean ln p of the least likely fifth of the tokens", -15.0, 0.0, 0.3, "above", -3.0),
)


def thresholds(statistic: Statistic) -> np.ndarray:
    """Return the thresholds of a statistic, equally spaced, ends included: 51 of entropy and of confidence."""
    count = round((statistic.high - statistic.low) / statistic.step) + 1
    return np.round(np.linspace(statistic.low, statistic.high, count), 10)


def attack_score(fpr: np.ndarray, fnr: np.ndarray, delta: float = DELTA) -> np.ndarray:
    """Return 1 - q at each threshold: 0 where the attacker guesses, 1 where the two models are told apart.

    q = 0 where FPR = FNR = 0, and 1 where one of them is 1 - δ or more; else q = 2^-ε with
    ε = max(0, min(ln(1 - δ - FPR) - ln FNR, ln(1 - δ - FNR) - ln FPR)), the smallest ε of (ε, δ)-indistinguishability
    that the two errors leave possible.

    Source: Unlearning Comparator, arXiv:2508.12730; natural logarithm inside, base 2 outside, as published.

    >>> attack_score(np.array([0.0, 0.5, 0.1, 1.0]), np.array([0.0, 0.5, 0.1, 0.0])).round(4).tolist()
    [1.0, 0.0, 0.7819, 0.0]
    """
    useless = (fpr >= 1 - delta) | (fnr >= 1 - delta)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = np.log(1 - delta - fpr) - np.log(fnr), np.log(1 - delta - fnr) - np.log(fpr)
    epsilon = np.where(useless, 0.0, np.maximum(0.0, np.minimum(one, other)))
    return np.where((fpr == 0) & (fnr == 0), 1.0, 1 - np.exp2(-epsilon))


def curve(positive: np.ndarray, negative: np.ndarray, statistic: Statistic) -> AttackCurve:
    """Return the attack that calls a value of at least the threshold positive.

    Args:
        positive: values of the model that is expected above, clipped to the statistic's range.
        negative: values of the other model.
        statistic: range and step of the thresholds.
    """
    at = thresholds(statistic)
    high, low = (np.sort(np.clip(values, statistic.low, statistic.high)) for values in (positive, negative))
    # Sorted values are counted by bisection: the share at or above each threshold.
    tpr, fpr = (1 - np.searchsorted(values, at - 1e-9, side="left") / len(values) for values in (high, low))
    score = attack_score(fpr, 1 - tpr)
    return AttackCurve(at.tolist(), fpr.tolist(), (1 - tpr).tolist(), score.tolist())


def attacked(
    own: Mapping[str, np.ndarray],
    gold: Mapping[str, np.ndarray],
    statistics: Sequence[Statistic],
    scored: Sequence[str],
    against: str,
) -> AttackView:
    """Return the attack on a model with gold's outputs on the same forget examples.

    PS = 1 - max over statistics, directions and thresholds of the attack score: 1 where no threshold helps, 0 where one
    tells all outputs apart. It does not depend on the order of the examples.

    Args:
        own: statistic to its values of the forget examples.
        gold: the same of the gold model.
        statistics: ranges and steps.
        scored: which statistics count.
        against: what the gold model is called.
    """
    curves: dict[str, AttackCurve] = {}
    worst: dict[str, float | str] = {"statistic": "", "above": "", "threshold": 0.0, "attack_score": -1.0}
    for statistic in (one for one in statistics if one.key in scored):
        pairs = {"unlearned": (own, gold), "gold": (gold, own)}
        for above, (positive, negative) in pairs.items():
            found = curve(positive[statistic.key], negative[statistic.key], statistic)
            curves[f"{statistic.key}_above_{above}"] = found
            best = int(np.argmax(np.asarray(found.attack_score)))
            score = float(found.attack_score[best] or 0.0)
            if score > float(worst["attack_score"]):
                at = float(found.threshold[best] or 0.0)
                worst = {"statistic": statistic.key, "above": above, "threshold": at, "attack_score": score}
    samples = len(next(iter(own.values())))
    return AttackView(against, samples, 1 - float(worst["attack_score"]), worst, curves)
