"""The unlearning mapping attack on digits: what was only relabelled at the head is next to what it was."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from lethe import models
from lethe.auditing.attacks.nearby_queries import NearbyQueries
from lethe.errors import ConfigurationError
from lethe.problem import Problem
from lethe.run import Run

ATTACK = NearbyQueries(epsilon=0.06, steps=10)


def relabelled(problem: Problem) -> nn.Module:
    """The original whose head alone was trained towards gold's labels of the forget set, until it has them."""
    made = models.copied(problem.model)
    task = problem.task
    batch = problem.forget.batch(torch.arange(len(problem.forget)))
    kept = problem.kept.batch(torch.arange(0, len(problem.kept), 4))
    with torch.no_grad():
        wanted, stay = task.outputs(problem.gold[1], batch).argmax(-1), task.labels(kept)
    optimizer = torch.optim.Adam(task.head(made).parameters(), lr=3e-3)
    for _ in range(60):
        loss = nn.functional.cross_entropy(task.outputs(made, batch), wanted)
        loss = loss + nn.functional.cross_entropy(task.outputs(made, kept), stay)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made


def test_the_original_agrees_with_itself_without_any_search(mislabelled: Problem) -> None:
    score = ATTACK(mislabelled.model, mislabelled, Run())
    assert score.value == score.details["before"] == 1


def test_a_relabelled_head_is_led_back_more_than_gold(mislabelled: Problem) -> None:
    own, gold, other = (ATTACK(model, mislabelled, Run()) for model in (relabelled(mislabelled), *mislabelled.gold[:2]))
    gains = [score.value - score.details["before"] for score in (own, gold, other)]
    assert own.details["before"] < 0.7
    assert gains[0] - gains[1] >= 0.2
    assert abs(gold.value - other.value) < 0.1, "another gold model is not accused"


def test_noise_as_large_brings_nothing_and_the_curve_rises(mislabelled: Problem) -> None:
    details = ATTACK(mislabelled.gold[0], mislabelled, Run()).details
    assert abs(details["random"] - details["before"]) <= 0.03
    shares = [share for _, share in details["curve"]]
    assert shares == sorted(shares)
    assert [radius for radius, _ in details["curve"]] == pytest.approx([0, 0.0075, 0.015, 0.03, 0.06])
    assert 0 <= details["holdout"] <= 1


def test_model_and_modes_are_left_alone_and_options_checked(mislabelled: Problem) -> None:
    gold = models.copied(mislabelled.gold[0]).train()
    before = models.fingerprint(gold)
    small = dataclasses.replace(ATTACK, examples=8, steps=1)
    assert small(gold, mislabelled, Run()).details["cost"]["queries"] == 8 * 5 * 2 * 2
    assert models.fingerprint(gold) == before
    assert gold.training
    with pytest.raises(ConfigurationError, match="epsilon"):
        NearbyQueries(epsilon=-1)
