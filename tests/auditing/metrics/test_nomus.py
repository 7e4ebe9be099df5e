from __future__ import annotations

import pytest
import torch

from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.nomus import ForgettingScore, NoMUS, membership_accuracy, nomus
from lethe.errors import InputError
from tests.auditing.metrics.made import NOBODY, made, with_probability

# Accuracy, forgetting score and NoMUS as published: MUFAC and MUCAC.
TABLE = [
    (0.5951, 0.2136, 0.5839), (0.488, 0.0445, 0.6995), (0.4048, 0.0485, 0.6539), (0.5984, 0.1415, 0.6577),
    (0.8852, 0.0568, 0.8858), (0.9073, 0.0478, 0.9058), (0.7607, 0.0152, 0.8651),
]  # fmt: skip


@pytest.mark.parametrize(("accuracy", "forgetting", "score"), TABLE)
def test_published_rows_are_reproduced_on_either_side_of_a_half(accuracy: float, forgetting: float, score: float):
    for membership in (0.5 + forgetting, 0.5 - forgetting):
        assert nomus(accuracy, membership) == pytest.approx(score, abs=5e-4)


def test_the_best_and_the_worst() -> None:
    assert nomus(1.0, 0.5) == 1
    assert nomus(0.0, 0.0) == nomus(0.0, 1.0) == 0


def test_two_halves_of_unseen_data_cannot_be_told_apart_and_losses_of_training_data_can() -> None:
    generator = torch.Generator().manual_seed(0)
    unseen = torch.rand(600, generator=generator).exp()
    assert abs(membership_accuracy(unseen[:300], unseen[300:]) - 0.5) < 0.05
    assert membership_accuracy(0.1 * unseen[:300], unseen[300:]) > 0.9


def test_wrong_labels_give_a_retrained_model_away_by_their_large_losses(
    originals: list[Rows], golds: list[Rows]
) -> None:
    """So gold is the target, not 0: who reads F alone would prefer the model that remembers."""
    kept, retrained = (ForgettingScore()(model, NOBODY) for model in (originals[0], golds[1]))
    assert kept.value < 0.3 < 0.45 < retrained.value
    assert NoMUS()(originals[0], NOBODY).value > NoMUS()(golds[1], NOBODY).value


def test_the_parts_are_told_and_a_test_set_counts_where_there_is_one() -> None:
    sure, unsure = with_probability(torch.full((20,), 0.9)), with_probability(torch.full((20,), 0.4))
    score = NoMUS()(made(forget=sure, holdout=unsure), References(made()))
    assert (score.details["accuracy"], score.details["membership"], score.value) == (0, 1, 0)
    tested = NoMUS()(made(forget=sure, holdout=unsure, test=sure), References(made()))
    assert (tested.details["accuracy"], tested.value) == (1, 0.5)
    assert NoMUS(weight=1.0)(made(forget=sure, holdout=unsure, test=sure), References(made())).value == 1


def test_too_few_examples_are_refused() -> None:
    few = with_probability(torch.full((9,), 0.9))
    with pytest.raises(InputError, match="10 or more"):
        ForgettingScore()(made(forget=few, holdout=few), NOBODY)
