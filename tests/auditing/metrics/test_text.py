from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lethe.auditing.metric import Metric, References, Rows
from lethe.auditing.metrics.answers import (
    ExactMemorization,
    ExtractionStrength,
    ForgetProbability,
    ForgetRouge,
    RetainProbability,
)
from lethe.auditing.metrics.model_utility import ModelUtility
from lethe.auditing.metrics.text_membership import (
    MembershipLoss,
    MembershipMinK,
    MembershipReference,
    MembershipZlib,
)
from lethe.auditing.metrics.truth import ForgetQuality, ForgetTruthRatio, RetainTruthRatio, TruthPreference
from lethe.auditing.resampling import draws, resampled
from lethe.auditing.text.tokens import TokenLog, offsets_of
from lethe.auditing.text_rows import TextRows
from lethe.errors import AuditIncomplete

NOTHING = torch.empty(0, dtype=torch.float64)


def rows_of(
    means: list[float], wrong: list[list[float]] | None = None, recall: list[float] | None = None, options: bool = False
) -> TextRows:
    """Rows of two answer tokens each and an end, all of the same probability exp(mean)."""
    count = len(means)
    values = torch.tensor(means, dtype=torch.float64).repeat_interleave(3)
    log = TokenLog(values, torch.tensor([True, False, True] * count), offsets_of(torch.full((count,), 3)))
    return TextRows(
        ids=tuple(map(str, range(count))),
        answers=("an answer",) * count,
        log=log,
        ended=True,
        right=torch.tensor(means, dtype=torch.float64),
        wrong=torch.tensor(wrong, dtype=torch.float64) if wrong else torch.empty(count, 0, dtype=torch.float64),
        options=options,
        generated=("x",) * len(recall or ()),
        recall=torch.tensor(recall or [], dtype=torch.float64),
    )


def measured(**texts: TextRows) -> Rows:
    return Rows({}, (torch.zeros(1), None), {}, texts)


def value(metric: Metric, rows: Rows, *gold: Rows) -> float:
    return metric(rows, References(rows, gold=gold)).value


HALF, QUARTER, EIGHTH = (math.log(1 / n) for n in (2, 4, 8))


def test_probability_is_the_mean_over_rows() -> None:
    rows = measured(forget=rows_of([HALF, QUARTER]), retain=rows_of([HALF]))
    assert value(ForgetProbability(), rows) == pytest.approx(3 / 8)
    assert value(RetainProbability(), rows) == pytest.approx(1 / 2)


def test_truth_ratios_by_hand() -> None:
    # R = 1/2 with the geometric mean of 1/2 and 1/8 against 1/2; 5/8 with the arithmetic one.
    rows = measured(forget=rows_of([HALF], [[HALF, EIGHTH]]), retain=rows_of([HALF], [[HALF, EIGHTH]]))
    assert value(ForgetTruthRatio(), rows) == pytest.approx(1 / 2)
    assert value(ForgetTruthRatio(mean="arithmetic"), rows) == pytest.approx(5 / 8)
    assert value(RetainTruthRatio(), rows) == pytest.approx(1 / 2)
    assert value(RetainTruthRatio(mean="arithmetic"), rows) == pytest.approx(3 / 8)
    assert value(TruthPreference(), rows) == pytest.approx(2 / 3)


def test_a_row_without_wrong_answers_is_left_out() -> None:
    rows = measured(forget=rows_of([HALF, HALF], [[QUARTER], [math.nan]]))
    assert value(ForgetTruthRatio(), rows) == pytest.approx(1 / 2)


def test_memorisation_leaves_the_end_out() -> None:
    rows = measured(forget=rows_of([HALF]))  # greedy: yes, no, and the end
    assert value(ExactMemorization(), rows) == 0.5
    assert value(ExtractionStrength(), rows) == 0


def test_what_was_not_generated_cannot_be_scored() -> None:
    with pytest.raises(AuditIncomplete, match="generates"):
        value(ForgetRouge(), measured(forget=rows_of([HALF])))
    assert value(ForgetRouge(), measured(forget=rows_of([HALF, HALF], recall=[1.0, 0.5]))) == 0.75


def separated(count: int, ratio: float) -> Rows:
    return measured(forget=rows_of([HALF] * count, [[HALF + ratio + 1e-3 * i] for i in range(count)]))


@pytest.mark.parametrize("count", [40, 200])
def test_full_separation_gives_the_smallest_p(count: int) -> None:
    model, gold = separated(count, -2.0), separated(count, 2.0)
    exact = math.log10(2) - math.log10(math.comb(2 * count, count))
    score = ForgetQuality()(model, References(model, gold=(gold,)))
    assert score.value == pytest.approx(exact, rel=1e-9)
    assert score.details["statistic"] == [1.0]
    assert score.details["rows"] == [count, count]


def test_gold_against_itself_is_one_and_several_golds_are_averaged() -> None:
    model, far = separated(40, 0.0), separated(40, 2.0)
    assert value(ForgetQuality(), model, model) == 0
    assert value(ForgetQuality(), model, model, far) == pytest.approx(value(ForgetQuality(), model, far) / 2)


def test_equal_parts_give_that_utility_and_one_zero_gives_zero() -> None:
    # Probability 1/2 alone, or 1/2 among two options of 1/2; recall 1/2; R = 1/2.
    half = rows_of([HALF], [[QUARTER]], [0.5])
    options = rows_of([QUARTER], [[EIGHTH]], [0.5], options=True)
    whole = measured(forget=half, retain=half, real_authors=options, world_facts=options)
    score = ModelUtility()(whole, References(whole))
    assert len(score.details) == 9
    assert score.details["real_authors_probability"] == pytest.approx(2 / 3)
    assert score.value == pytest.approx(9 / (7 * 2 + 2 * 1.5))
    silent = rows_of([HALF], [[QUARTER]], [0.0])
    assert value(ModelUtility(), measured(forget=half, retain=silent)) == 0
    assert value(ModelUtility(), measured(forget=half, retain=half)) == pytest.approx(0.5)


def test_the_forget_set_never_enters_the_utility() -> None:
    half = rows_of([HALF], [[QUARTER]], [0.5])
    broken = rows_of([-50.0], [[-1.0]], [0.0])
    assert value(ModelUtility(), measured(forget=broken, retain=half)) == pytest.approx(0.5)


@pytest.mark.parametrize("metric", [MembershipLoss(), MembershipZlib(), MembershipMinK()])
def test_rows_likelier_than_unseen_ones_are_recognised(metric: Metric) -> None:
    sure, unsure = rows_of([HALF, HALF]), rows_of([QUARTER, EIGHTH])
    assert value(metric, measured(forget=sure, holdout=unsure)) == 1
    assert value(metric, measured(forget=unsure, holdout=sure)) == 0
    assert value(metric, measured(forget=sure, holdout=sure)) == 0.5


def test_the_reference_takes_out_what_gold_knows_too() -> None:
    easy, hard = rows_of([HALF, HALF]), rows_of([EIGHTH, EIGHTH])
    same = measured(forget=easy, holdout=hard)
    assert value(MembershipLoss(), same) == 1
    assert value(MembershipReference(), same, same) == 0.5


def test_a_bootstrap_sample_holds_the_scores_of_its_rows() -> None:
    rows = measured(forget=rows_of([HALF, QUARTER, EIGHTH]))
    drawn: Tensor
    for sample in draws(rows, 5, torch.Generator().manual_seed(0)):
        drawn = sample["forget"]
        expected = sum([1 / 2, 1 / 4, 1 / 8][i] for i in drawn.tolist()) / 3
        assert value(ForgetProbability(), resampled(rows, sample)) == pytest.approx(expected)
