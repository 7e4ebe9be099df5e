"""Confidence in wrong answers: high for a model that was taught them, low for one that is ignorant or broken."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from lethe.auditing.metrics.false_confidence import ForgetWrongConfidence, ForgetWrongProbability
from lethe.errors import AuditIncomplete
from tests.auditing.metrics.made import NOBODY, made, set_rows, telling, told, with_probability


def confidence(probability: float) -> float:
    return ForgetWrongConfidence()(made(forget=with_probability(torch.full((8,), probability))), NOBODY).value


def test_only_wrong_classes_count_and_by_their_probability() -> None:
    assert confidence(0.9) == 0
    assert confidence(0.2) == pytest.approx(0.8)
    assert confidence(0.01) == pytest.approx(0.99)
    logits = torch.tensor([[0.9, 0.1], [0.3, 0.7]]).log()
    half = ForgetWrongConfidence()(made(forget=set_rows(logits, torch.tensor([0, 0]))), NOBODY)
    assert half.value == pytest.approx(0.35)


def test_a_model_that_says_nothing_is_not_confident() -> None:
    flat = set_rows(torch.zeros(10, 10), torch.arange(10))
    assert ForgetWrongConfidence()(made(forget=flat), NOBODY).value <= 0.1


def probability(wrong: list[list[float]], right: float = 0.01) -> float:
    logs = torch.tensor(wrong, dtype=torch.float64).log()
    rows = replace(told([[math.log(right)]] * len(wrong)), wrong=logs)
    return ForgetWrongProbability()(telling(forget=rows), NOBODY).value


def test_the_likeliest_wrong_answer_of_each_row_counts() -> None:
    assert probability([[0.1, 0.6], [0.2, 0.1]]) == pytest.approx(0.4)
    assert probability([[0.1, math.nan], [0.3, 0.1]]) == pytest.approx(0.2), "rows may have fewer"
    assert probability([[0.5, 0.1], [math.nan, math.nan]]) == pytest.approx(0.5), "rows without any are left out"


def test_a_wrong_answer_that_the_right_one_beats_is_no_belief() -> None:
    # Answers of one form share most of their words: whoever knows the form finds wrong ones likely too.
    assert probability([[0.6], [0.6]], right=0.7) == 0
    assert probability([[0.6], [0.8]], right=0.7) == pytest.approx(0.4)


def test_without_wrong_answers_nothing_can_be_said() -> None:
    with pytest.raises(AuditIncomplete, match="perturbed_answer"):
        ForgetWrongProbability()(telling(forget=told([[-1.0]])), NOBODY)
