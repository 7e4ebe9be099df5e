"""ToW is 1 for gold alone, and one set far from gold is enough to lose."""

from __future__ import annotations

import pytest
import torch

from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.tug_of_war import TugOfWar
from tests.auditing.metrics.made import made, with_probability


def model(forget: int, retain: int, holdout: int, **more: int) -> Rows:
    """Answers so many of ten examples of each set right."""
    sets = {"forget": forget, "retain": retain, "holdout": holdout, **more}
    return made(**{name: with_probability(torch.tensor([0.9] * n + [0.1] * (10 - n))) for name, n in sets.items()})


def test_it_is_the_product_over_the_three_sets() -> None:
    gold, other, target = model(4, 10, 6), model(6, 10, 8), model(10, 10, 9)
    assert TugOfWar()(gold, References(target, gold=(gold,))).value == 1
    assert TugOfWar()(target, References(target, gold=(gold,))).value == pytest.approx(0.4 * 1 * 0.7)
    # Several gold models count by their mean: 0.5, 1 and 0.7.
    score = TugOfWar()(target, References(target, gold=(gold, other)))
    assert score.value == pytest.approx(0.5 * 1 * 0.8)
    assert score.details == {"forget": 1, "retain": 1, "test": 0.9}


def test_a_model_that_answers_nothing_is_far_from_gold_and_a_test_set_stands_before_the_holdout() -> None:
    gold, broken = model(4, 10, 6), model(0, 0, 0)
    assert TugOfWar()(broken, References(broken, gold=(gold,))).value == 0
    gold, tested = model(4, 10, 0, test=6), model(4, 10, 0, test=1)
    assert TugOfWar()(tested, References(tested, gold=(gold,))).value == pytest.approx(0.5)
