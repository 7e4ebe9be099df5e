"""The forgetting quality score is 1 where nobody can tell two models apart, and 0 where everybody can."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lethe.ui.quality import CLASSIFIER_STATISTICS, SCORED, attack_score, attacked, curve, thresholds
from lethe.ui.schema import AttackView, Statistic

STATISTICS = {one.key: one for one in CLASSIFIER_STATISTICS}


def outputs(seed: int, shift: float = 0.0, count: int = 200) -> dict[str, np.ndarray]:
    draws = np.random.default_rng(seed)
    return {"entropy": draws.gamma(2, 0.4, count) + shift, "confidence": draws.normal(4, 2, count) + 4 * shift}


def score(own: dict[str, np.ndarray], gold: dict[str, np.ndarray]) -> AttackView:
    return attacked(own, gold, CLASSIFIER_STATISTICS, SCORED, "gold-1")


def test_a_model_cannot_be_told_from_itself() -> None:
    assert score(outputs(0), outputs(0)).score == 1


def test_two_draws_of_one_distribution_can_hardly_be_told_apart_and_a_shift_is_seen() -> None:
    pairs = range(0, 80, 2)
    same = [score(outputs(seed), outputs(seed + 1)).score for seed in pairs]
    shifted = [score(outputs(seed, 0.5), outputs(seed + 1)).score for seed in pairs]
    # The largest of 204 attack scores on 200 examples: 0.90 on average, 0.81 at the least in 300 such pairs.
    assert np.mean(same) >= 0.88
    assert min(same) > 0.78
    assert max(shifted) < 0.7


def test_disjoint_outputs_are_told_apart_entirely() -> None:
    own = {"entropy": np.full(5, 0.2), "confidence": np.full(5, 9.0)}
    gold = {"entropy": np.full(5, 2.0), "confidence": np.full(5, -1.0)}
    found = score(own, gold)
    assert found.score == 0
    assert found.worst["attack_score"] == 1


def test_the_order_of_examples_does_not_matter() -> None:
    own, gold = outputs(0, 0.3), outputs(1)
    assert score({name: values[::-1] for name, values in own.items()}, gold) == score(own, gold)


def test_the_score_of_one_threshold_is_the_formula_in_float() -> None:
    fpr, fnr, delta = 0.1, 0.3, 1e-5
    epsilon = min(math.log((1 - delta - fpr) / fnr), math.log((1 - delta - fnr) / fpr))
    assert attack_score(np.array([fpr]), np.array([fnr]))[0] == pytest.approx(1 - 2**-epsilon, rel=1e-12)


def test_one_error_of_nought_leaves_the_other_term_to_decide() -> None:
    # ln FPR is minus infinity: only ln(1 - d - FPR) - ln FNR is finite.
    found = attack_score(np.array([0.0]), np.array([0.25]))[0]
    assert found == pytest.approx(1 - 2 ** -math.log((1 - 1e-5) / 0.25), rel=1e-12)


def test_thresholds_that_call_everything_the_same_are_ignored_and_worse_than_chance_counts_as_chance() -> None:
    found = attack_score(np.array([0.0, 1.0, 0.8]), np.array([1.0, 0.0, 0.8]))
    assert found.tolist() == [0, 0, 0]


def test_errors_are_shares_of_values_on_either_side_of_the_threshold_after_clipping() -> None:
    statistic = Statistic("entropy", "", 0.0, 1.0, 0.5, "below", 0.5)
    found = curve(np.array([0.5, 7.0]), np.array([-3.0, 0.2, 0.6, 0.4]), statistic)
    assert found.threshold == [0, 0.5, 1]
    assert found.fnr == [0, 0, 0.5]
    assert found.fpr == [1, 0.25, 0]


def test_both_published_statistics_have_fifty_one_thresholds() -> None:
    for key, ends in {"entropy": (0, 2.5), "confidence": (-2.5, 10)}.items():
        at = thresholds(STATISTICS[key])
        assert (len(at), at[0], at[-1]) == (51, *ends)
