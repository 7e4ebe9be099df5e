from __future__ import annotations

import math

import pytest
import torch

from lethe.auditing.metric import References
from lethe.auditing.metrics.divergence import JSToGold, KLToGold
from tests.auditing.metrics.made import made, set_rows

BOTH = [KLToGold, JSToGold]


@pytest.mark.parametrize("metric", BOTH)
def test_gold_is_at_no_distance_from_itself(metric, golds):
    assert metric()(golds[0], References(golds[0], gold=(golds[0],))).value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("metric", BOTH)
def test_the_original_is_far_from_gold_and_another_gold_is_near(metric, originals, golds, against):
    assert metric()(originals[0], against).value > 10 * metric()(golds[0], against).value


@pytest.mark.parametrize("metric", BOTH)
def test_the_distance_falls_on_the_way_from_the_original_to_gold(metric, originals, golds):
    start, end = originals[0]["forget"], golds[1]["forget"]
    way = [made(forget=set_rows(start.logits.lerp(end.logits, step), start.labels)) for step in (0.0, 0.3, 0.6, 1.0)]
    values = [metric()(rows, References(originals[0], gold=(golds[1],))).value for rows in way]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[1] > values[2] > values[3]


@pytest.mark.parametrize("metric", BOTH)
def test_golds_are_averaged_and_only_the_forget_set_counts(metric, originals, golds):
    both = metric()(originals[0], References(originals[0], gold=tuple(golds[:2])))
    alone = [metric()(originals[0], References(originals[0], gold=(gold,))).value for gold in golds[:2]]
    assert both.value == pytest.approx(sum(alone) / 2)
    assert both.details["by_gold"] == pytest.approx(alone)
    elsewhere = made(**{**golds[2].sets, "forget": originals[0]["forget"]})
    assert metric()(elsewhere, References(originals[0], gold=tuple(golds[:2]))).value == both.value


def test_kl_is_from_gold_to_the_model_and_finite_for_a_model_that_excludes_golds_answer():
    gold = made(forget=set_rows(torch.tensor([[0.0, 0.0]]), torch.tensor([0])))
    model = made(forget=set_rows(torch.tensor([[500.0, 0.0]]), torch.tensor([0])))
    # ½ log(½ / 1) + ½ log(½ / e⁻⁵⁰⁰)
    assert KLToGold()(model, References(gold, gold=(gold,))).value == pytest.approx(250 - math.log(2))
    assert JSToGold()(model, References(gold, gold=(gold,))).value <= math.log(2)
