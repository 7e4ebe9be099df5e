"""Whole persons to forget, card 062: what part of the facts was named decides how much of the person is gone."""

from __future__ import annotations

import dataclasses

import pytest

from lethe.api import unlearn
from lethe.measuring import over_examples
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.npo import NPO
from lethe.run import Run
from lethe.worlds.people import People

STEPS = {"epochs": 20, "batch_size": 4, "learning_rate": 1e-3, "warmup_epochs": 0.0, "schedule": "constant"}
FACTS = 9  # a person


@pytest.fixture(scope="module")
def problem():
    return People.tiny().problem()


def probability(problem, model, examples):
    """Mean over answers of p(answer)^(1/tokens)."""

    def read(model, batch):
        return (-problem.task.losses(model, batch)).exp()

    return float(over_examples(model, problem.task, examples, Run(), read, "probability").mean())


def naming(problem, count):
    """Return the first facts of each person, and all others."""
    rows = range(len(problem.forget))
    return [problem.forget.take([i for i in rows if (i % FACTS < count) == named]) for named in (True, False)]


def after_naming(problem, count, seed=0):
    named, _ = naming(problem, count)
    method = NPO(retain_weight=5.0, **STEPS)
    return unlearn(dataclasses.replace(problem, forget=named), method, seed=seed).model


@pytest.mark.slow
def test_facts_that_were_not_named_stay_where_those_named_are_gone_and_go_where_all_are_named(problem):
    before = probability(problem, problem.model, problem.forget)
    assert before > 0.9
    named, rest = naming(problem, 2)
    model = after_naming(problem, 2)
    gone, left = (1 - probability(problem, model, e) / probability(problem, problem.model, e) for e in (named, rest))
    assert gone > 0.9
    assert left < gone - 0.25
    assert probability(problem, after_naming(problem, FACTS), problem.forget) < 0.1 * before
    tuned = unlearn(problem, FineTune(epochs=1, batch_size=4, learning_rate=1e-3, optimizer="adamw")).model
    assert probability(problem, tuned, problem.forget) > 0.5 * before


@pytest.mark.slow
def test_the_more_facts_are_named_the_more_of_a_person_is_gone(problem):
    rising = 0
    for seed in range(3):
        left = [probability(problem, after_naming(problem, count, seed), problem.forget) for count in (2, 4, 7, FACTS)]
        rising += left == sorted(left, reverse=True)
    assert rising >= 2
