from __future__ import annotations

import math

import pytest
import torch

from lethe.auditing.metric import Metric
from lethe.auditing.metrics.accuracy import (
    ForgetAccuracy,
    ForgetLoss,
    HoldoutAccuracy,
    HoldoutLoss,
    RetainAccuracy,
    RetainLoss,
)
from tests.auditing.metrics.made import NOBODY, made, with_probability

SURE, UNSURE, WRONG = torch.full((4,), 0.99), torch.full((4,), 0.6), torch.full((8,), 0.1)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (ForgetAccuracy(), 0.0),
        (RetainAccuracy(), 1.0),
        (HoldoutAccuracy(), 0.5),
        (ForgetLoss(), -math.log(0.1)),
        (RetainLoss(), -math.log(0.99)),
        (HoldoutLoss(), -(math.log(0.1) + math.log(0.6)) / 2),
    ],
)
def test_each_metric_reads_its_own_set(metric: Metric, expected: float) -> None:
    rows = made(
        forget=with_probability(WRONG),
        retain=with_probability(SURE),
        holdout=with_probability(torch.cat([UNSURE, WRONG[:4]])),
    )
    assert metric(rows, NOBODY).value == pytest.approx(expected, abs=1e-6)


def test_the_resolution_of_an_accuracy_is_one_example_of_its_set() -> None:
    rows = made(forget=with_probability(WRONG), retain=with_probability(SURE))
    assert ForgetAccuracy().resolution(rows) == 1 / 8
    assert RetainAccuracy().resolution(rows) == 1 / 4
