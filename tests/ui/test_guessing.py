"""What an attacker with a threshold reaches is what scikit-learn says of the same guesses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from lethe.ui.guessing import membership
from lethe.ui.quality import thresholds
from lethe.ui.schema import Statistic

LOSS = Statistic("loss", "", 0.0, 5.0, 0.1, "below", 0.5)
CONFIDENCE = Statistic("confidence", "", -2.5, 10.0, 0.25, "above", 3.75)


@pytest.mark.parametrize(("statistic", "sign"), [(LOSS, -1), (CONFIDENCE, 1)])
def test_area_and_best_accuracy_are_those_of_scikit_learn(statistic: Statistic, sign: int) -> None:
    draws = np.random.default_rng(0)
    # Rounded, so that there are ties.
    forget, unseen = draws.exponential(1, 60).round(1), draws.exponential(2, 90).round(1)
    found = membership(forget, unseen, statistic)
    values, member = np.concatenate([forget, unseen]), np.repeat([1, 0], [60, 90])
    assert found["auc"] == pytest.approx(roc_auc_score(member, sign * values), abs=1e-12)
    clipped = np.clip(values, statistic.low, statistic.high)
    near = 1e-6
    called = [sign * clipped >= sign * at - near for at in thresholds(statistic)]
    scores = [balanced_accuracy_score(member, one) for one in called]
    assert found["accuracy"] == pytest.approx(max(scores), abs=1e-12)
    best = called[int(np.argmax(scores))]
    assert found["threshold"] == thresholds(statistic)[int(np.argmax(scores))]
    assert found["tpr"] == pytest.approx(best[:60].mean())
    assert found["fpr"] == pytest.approx(best[60:].mean())


def test_nothing_is_learnt_from_equal_scores_and_all_from_disjoint_ones() -> None:
    same = np.array([0.3, 0.7, 0.7])
    assert membership(same, same, LOSS)["auc"] == 0.5
    apart = membership(np.full(3, 0.1), np.full(4, 3.0), LOSS)
    assert (apart["auc"], apart["accuracy"], apart["tpr"], apart["fpr"]) == (1, 1, 1, 0)
