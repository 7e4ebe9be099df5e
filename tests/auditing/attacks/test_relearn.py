from __future__ import annotations

import dataclasses

import pytest

from lethe import models
from lethe.api import unlearn
from lethe.auditing.attacks.relearn import Relearn
from lethe.errors import ConfigurationError, Diverged
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.problem import Problem
from lethe.run import Run
from tests.helpers import accuracy


def test_the_original_has_nothing_to_relearn(whole_class: Problem) -> None:
    score = Relearn()(whole_class.model, whole_class, Run())
    assert score.value == 0
    assert score.details["curve"] == [[0.0, 1.0]]


def test_gold_takes_many_steps_and_the_curve_ends_at_the_target(whole_class: Problem) -> None:
    score = Relearn()(whole_class.gold[0], whole_class, Run())
    curve = score.details["curve"]
    assert score.value > 10
    assert curve[0] == [0.0, 0.0]
    assert curve[-1][0] == score.value
    assert curve[-1][1] >= score.details["target"]
    assert all(accuracy < score.details["target"] for _, accuracy in curve[:-1])
    assert not score.details["censored"]


def test_what_was_only_hidden_comes_back_before_what_was_never_learnt(mislabelled: Problem) -> None:
    attack = Relearn(learning_rate=1e-2, fraction=0.95)
    hidden = unlearn(mislabelled, GradientAscent(epochs=8, learning_rate=3e-3)).model
    assert accuracy(mislabelled, hidden, mislabelled.forget) < 0.8
    gold = min(attack(one, mislabelled, Run()).value for one in mislabelled.gold)
    assert 0 < attack(hidden, mislabelled, Run()).value < gold / 2


def test_a_model_that_never_gets_there_is_censored_at_the_limit(whole_class: Problem) -> None:
    score = Relearn(max_steps=4, evaluate_every=3)(whole_class.gold[0], whole_class, Run())
    assert score.details["censored"]
    assert [step for step, _ in score.details["curve"]] == [0, 3, 4]
    assert score.value == 4


def test_less_to_regain_takes_no_longer(whole_class: Problem) -> None:
    full, part = (Relearn(fraction=f)(whole_class.gold[0], whole_class, Run()).value for f in (1.0, 0.5))
    assert part < full


def test_the_loss_criterion_stops_near_the_original_loss(random_subset: Problem) -> None:
    steps = Relearn(criterion="loss", slack=0.05)(random_subset.gold[0], random_subset, Run()).value
    generous = Relearn(criterion="loss", slack=5.0)(random_subset.gold[0], random_subset, Run()).value
    assert generous < steps < 500


def test_the_attack_leaves_the_model_and_repeats_itself(whole_class: Problem) -> None:
    gold = whole_class.gold[1]
    before = models.fingerprint(gold)
    attack = Relearn(max_steps=5)
    assert attack(gold, whole_class, Run()).details["curve"] == attack(gold, whole_class, Run()).details["curve"]
    assert models.fingerprint(gold) == before


def test_frozen_weights_are_no_defence(whole_class: Problem) -> None:
    frozen = models.copied(whole_class.gold[0]).requires_grad_(False)
    attack = Relearn(max_steps=3)
    assert (
        attack(frozen, whole_class, Run()).details["curve"]
        == attack(whole_class.gold[0], whole_class, Run()).details["curve"]
    )


def test_divergence_names_the_option(whole_class: Problem) -> None:
    with pytest.raises(Diverged, match="learning_rate"):
        Relearn(optimizer="sgd", learning_rate=1e30)(whole_class.gold[0], whole_class, Run())


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_steps must be at least 1"):
        dataclasses.replace(Relearn(), max_steps=0)
