"""AUS is 1 where nothing is lost and all forgotten, and falls with either."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from lethe.auditing.metric import References, Rows, SetRows
from lethe.auditing.metrics.aus import AdaptiveUnlearningScore

HEAD = (torch.zeros(3, 2), None)


def told(labels: list[int], said: list[int]) -> SetRows:
    logits = F.one_hot(torch.tensor(said), 3).float()
    return SetRows(tuple(map(str, range(len(labels)))), torch.tensor(labels), logits, torch.zeros(len(labels), 2))


def rows(forget: SetRows, holdout: SetRows, retain: list[int]) -> Rows:
    return Rows({"forget": forget, "retain": told(retain, retain), "holdout": holdout}, HEAD, {})


def test_of_a_class_the_original_has_a_half_and_a_perfect_unlearner_one() -> None:
    kept = told([0, 1, 0, 1], [0, 1, 0, 0])
    original = rows(told([2, 2], [2, 2]), kept, [0, 1])
    assert AdaptiveUnlearningScore()(original, References(original)).value == 0.5
    perfect = rows(told([2, 2], [0, 1]), kept, [0, 1])
    assert AdaptiveUnlearningScore()(perfect, References(original)).value == 1.0


def test_unseen_examples_of_the_class_that_is_gone_do_not_count_as_a_loss() -> None:
    original = rows(told([2, 2], [2, 2]), told([0, 1, 2, 2], [0, 1, 2, 2]), [0, 1])
    perfect = rows(told([2, 2], [0, 1]), told([0, 1, 2, 2], [0, 1, 0, 1]), [0, 1])
    assert AdaptiveUnlearningScore()(perfect, References(original)).value == 1.0


def test_of_single_examples_it_is_the_distance_to_unseen_ones_that_counts() -> None:
    before = rows(told([0, 1, 2, 2], [0, 1, 2, 2]), told([0, 1, 2, 0], [0, 1, 2, 0]), [0, 1, 2])
    after = rows(told([0, 1, 2, 2], [0, 1, 0, 0]), told([0, 1, 2, 0], [0, 1, 2, 1]), [0, 1, 2])
    score = AdaptiveUnlearningScore()(after, References(before))
    assert score.value == pytest.approx((1 - 0.25) / (1 + 0.25))  # A_or = 1, A_t = 3/4, A_f = 1/2
    assert score.details == {"accuracy": 0.75, "original": 1.0, "forget": 0.5}
