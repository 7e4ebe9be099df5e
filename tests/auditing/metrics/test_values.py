"""Metrics of regression: their formulas by hand, and what they say of a model that memorised."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.signals import log_probability
from lethe.auditing.metrics.value_membership import MIAErrorSVM, MIAErrorThreshold
from lethe.auditing.metrics.values import ForgetError, HoldoutError, PredictionGap, RetainError, WassersteinToGold
from lethe.auditing.value_rows import ValueRows
from lethe.errors import AuditIncomplete

TARGETS = torch.tensor([1.0, 2.0, 4.0, -5.0]).double()


def valued(predictions: Tensor, targets: Tensor = TARGETS, scale: float = 2.0) -> ValueRows:
    """One set of examples with these predictions and squared losses."""
    ids = tuple(f"row-{i}" for i in range(len(targets)))
    return ValueRows(ids, targets, predictions.double(), (predictions - targets).square().double(), scale)


def saying(**values: ValueRows) -> Rows:
    """A regression model that predicts so."""
    return Rows({}, (torch.zeros(0), None), {}, values=values)


def beside(*golds: Rows) -> References:
    return References(original=saying(), gold=golds)


def test_errors_are_mean_losses_of_their_own_set() -> None:
    rows = saying(
        forget=valued(TARGETS + 1), retain=valued(TARGETS - 2), holdout=valued(TARGETS + torch.tensor([3.0, 0, 0, 1]))
    )
    found = [metric(rows, beside()) for metric in (ForgetError(), RetainError(), HoldoutError())]
    assert [score.value for score in found] == [1.0, 4.0, 2.5]
    assert [score.details["relative"] for score in found] == [0.5, 2.0, 1.25]


def test_wasserstein_is_that_of_scipy_and_blind_to_the_order_of_examples() -> None:
    own, gold = torch.tensor([0.1, 3.0, -2.0, 7.0]), torch.tensor([1.0, 0.0, 2.0, 3.5])
    rows, other = saying(forget=valued(own)), saying(forget=valued(gold))
    value = WassersteinToGold()(rows, beside(other, rows)).value
    assert value == pytest.approx(wasserstein_distance(own, gold) / 2)
    assert WassersteinToGold()(rows, beside(saying(forget=valued(own.flip(0))))).value == 0.0


def test_the_prediction_gap_is_relative_to_the_size_of_the_target() -> None:
    rows, gold = saying(forget=valued(TARGETS + torch.tensor([1.0, 1, 1, 1]))), saying(forget=valued(TARGETS))
    assert PredictionGap()(rows, beside(gold)).value == pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 5) / 4)
    assert PredictionGap()(rows, beside(rows)).value == 0.0
    nothing = valued(TARGETS, torch.tensor([1.0, 0.0, 4.0, -5.0]).double())
    with pytest.raises(AuditIncomplete, match="the target of 'row-1' is 0"):
        PredictionGap()(saying(forget=nothing), beside(saying(forget=nothing)))


@pytest.mark.parametrize("metric", [MIAErrorSVM(), MIAErrorThreshold()])
@pytest.mark.parametrize(("forgets", "share"), [(False, 1.0), (True, 0.0)])
def test_losses_like_those_of_training_data_are_judged_members(
    metric: MIAErrorSVM | MIAErrorThreshold, forgets: bool, share: float
) -> None:
    """A no-op keeps the forget errors of training data; gold's are those of unseen data."""
    spread = torch.rand(40, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(40)
    near, far = valued(0.3 * spread, targets), valued(1.5 + spread, targets)
    rows = saying(forget=far if forgets else near, retain=near, holdout=far)
    score = metric(rows, beside())
    assert score.value == share
    assert max(score.details.get("members_found", 1.0), score.details.get("balanced_accuracy", 0.0)) == 1.0


def test_closeness_is_one_where_the_prediction_is_right_and_free_of_the_unit() -> None:
    """Targets in years and in days give the same audit."""
    years, days = (
        ValueRows(("a", "b"), t * TARGETS[:2], t * TARGETS[:2] + t, torch.full((2,), t * t).double(), 2.0 * t * t)
        for t in (1.0, 365.0)
    )
    one, other = (log_probability(saying(forget=rows), "forget") for rows in (years, days))
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one, torch.full((2,), -0.5).double())


def test_a_sample_keeps_what_belongs_together() -> None:
    rows = valued(TARGETS + torch.tensor([3.0, 0, 0, 1])).take(torch.tensor([3, 3, 0]))
    assert rows.ids == ("row-3", "row-3", "row-0")
    assert rows.losses.tolist() == (rows.predictions - rows.targets).square().tolist() == [1.0, 1.0, 9.0]
    assert len(rows) == 3
