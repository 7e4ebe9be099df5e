"""SOUL: the chosen loss with second-order steps, which forget sooner than Adam at no greater cost."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.api import unlearn
from lethe.measuring import example_losses
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.npo import NPO
from lethe.methods.descent.refusing import IDK
from lethe.methods.descent.soul import SOUL
from lethe.models import same_weights
from lethe.run import Run
from lethe.steps import Clip, Sophia
from lethe.testing.language import tiny_language_problem

SMALL = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-3, "warmup_epochs": 0.0, "weight_decay": 0.1}


@pytest.mark.parametrize(("loss", "other"), [("grad_diff", GradDiff), ("po", IDK), ("npo", NPO)])
def test_each_loss_is_that_of_its_method(loss, other):
    problem, step = tiny_language_problem(), Sophia(inner=Clip(1.0))
    mine = unlearn(problem, SOUL(loss=loss, **SMALL)).model
    theirs = unlearn(problem, other(step=step, retain_weight=2.0, **SMALL)).model
    assert same_weights(mine, theirs)
    first_order = unlearn(problem, SOUL(loss=loss, step=Clip(), **SMALL)).model
    assert not same_weights(mine, first_order)


def test_its_defaults_are_those_of_the_published_run():
    soul = SOUL()
    assert (soul.epochs, soul.learning_rate, soul.weight_decay, soul.retain_weight) == (5, 5e-6, 0.1, 2.0)
    assert soul.step == Sophia(rho=0.04, batch=5120, every=10, beta1=0.9, beta2=0.95, inner=Clip(1.0))


def reached(problem, method, seed, target):
    """Return the first step at which the mean forget loss is at least the target, and the retain loss there."""

    def watch(model):
        sets = {"forget": problem.forget, "retain": problem.retain}
        return {name: float(example_losses(model, problem.task, e, Run()).mean()) for name, e in sets.items()}

    history = unlearn(problem, method, seed=seed, watch=watch, watch_every=1).record["history"]
    return next(((h["step"], h["retain"]) for h in history if h["forget"] >= target), (float("inf"), float("inf")))


def test_it_forgets_in_fewer_steps_than_adam_at_the_same_rate_and_keeps_as_much():
    """To twice the original's forget loss, 3 seeds: 30, 32 and 27 steps against 34, 40 and 35 of AdamW.

    The mean retain loss there is 0.404 against 0.411 (0.525 before). ρ is chosen for this model as the docstring of
    the card's method asks, by the clipped share: 82 % at first, 60 % at the end; with ρ = 0.04 Sophia hardly moves.
    """
    problem = dataclasses.replace(tiny_language_problem(), gold=())
    found = {}
    for name, step in (("sophia", Sophia(rho=0.005, inner=Clip(1.0))), ("adamw", Clip(1.0))):
        method = SOUL(
            step=step, epochs=45, learning_rate=1e-3, warmup_epochs=0.0, schedule="constant", weight_decay=0.0,
            retain_weight=10.0,
        )  # fmt: skip
        found[name] = [reached(problem, method, seed, 1.0) for seed in range(3)]
    for (mine, _), (theirs, _) in zip(found["sophia"], found["adamw"], strict=True):
        assert mine < theirs < float("inf")
    kept = {name: torch.tensor([retain for _, retain in values]).mean() for name, values in found.items()}
    assert kept["sophia"] <= kept["adamw"]
