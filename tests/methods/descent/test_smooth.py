"""Smooth unlearning: what is forgotten at the same forget loss comes back more slowly."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.api import unlearn
from lethe.losses import npo
from lethe.methods.descent.npo import NPO
from lethe.methods.descent.smooth import Smooth
from lethe.models import copied, same_weights
from lethe.steps import SAM, CurvatureRegularisation, GradientPenalty, Plain, WeightAveraging
from lethe.testing.language import tiny_language_problem
from tests.methods.descent.relearning import losses_of, recovered, unlearned_to

SMALL = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-3, "warmup_epochs": 0.0, "weight_decay": 0.0}
LONG = {
    "epochs": 90, "learning_rate": 1e-3, "warmup_epochs": 0.0, "weight_decay": 0.0, "schedule": "constant",
    "retain_weight": 10.0,
}  # fmt: skip
TARGET = 1.8  # four times the original's forget loss, a little above that of a model that never saw the answers


@pytest.fixture
def problem():
    return dataclasses.replace(tiny_language_problem(), gold=())


def test_it_is_npo_with_the_forget_term_alone_at_the_worst_point_nearby(problem):
    smooth = unlearn(problem, Smooth(**SMALL)).model
    assert same_weights(smooth, unlearn(problem, NPO(step=SAM(rho=0.01, on="forget"), **SMALL)).model)
    assert not same_weights(smooth, unlearn(problem, NPO(step=SAM(rho=0.01), **SMALL)).model)
    assert not same_weights(smooth, unlearn(problem, NPO(**SMALL)).model)


def test_averaging_returns_the_mean_of_the_weights_passed(problem):
    passed = []
    method = NPO(step=WeightAveraging(start=2, every=2), **SMALL | {"epochs": 3})
    averaged = unlearn(problem, method, watch=lambda m: passed.append(copied(m)) or {"x": 0.0}, watch_every=1).model
    assert len(passed) == 6
    for name, value in averaged.named_parameters():
        mean = sum(passed[i].get_parameter(name) for i in (1, 3, 5)) / 3
        torch.testing.assert_close(value, mean, atol=1e-6, rtol=0)
    assert same_weights(passed[-1], unlearn(problem, NPO(**SMALL | {"epochs": 3})).model)


def test_a_penalty_on_the_gradient_keeps_forgotten_answers_from_coming_back(problem):
    """Twelve steps of AdamW bring back 64 % after NPO and 19 % with the penalty, which keeps more beside (0.40, 0.55).

    That NPO takes 20 steps and the penalty 80 is not the reason: NPO at a quarter of the rate takes 63, and loses 67 %.
    """
    plain = unlearned_to(problem, NPO(step=Plain(), **LONG), TARGET, seed=0)
    smooth = unlearned_to(problem, Smooth(step=GradientPenalty(rho=0.5), **LONG), TARGET, seed=0)
    assert recovered(problem, plain, 12, 3e-4) > 2 * recovered(problem, smooth, 12, 3e-4)
    assert smooth.retain <= 1.05 * plain.retain
    assert steepest(problem, smooth.model) < steepest(problem, plain.model)


def steepest(problem, model):
    """Return the largest rise of the NPO loss in 16 random directions of length 3."""
    batch = problem.forget.batch(torch.arange(len(problem.forget)))

    @torch.no_grad()
    def loss(of):
        return float(npo(problem.task.log_probs(of, batch), problem.task.log_probs(problem.model, batch)).mean())

    random = torch.Generator().manual_seed(0)
    rises = []
    for _ in range(16):
        moved = copied(model)
        noise = [torch.randn(p.shape, generator=random) for p in moved.parameters()]
        length = torch.stack([n.square().sum() for n in noise]).sum().sqrt()
        with torch.no_grad():
            for weight, direction in zip(moved.parameters(), noise, strict=True):
                weight.add_(direction, alpha=3 / float(length))
        rises.append(loss(moved) - loss(model))
    return max(rises)


def test_no_straight_move_of_the_radius_brings_answers_back_after_sharpness_aware_minimisation(problem):
    """The move of length ρ = 0.2 down the slope of the loss that an attacker trains with.

    It lowers the forget loss from 1.85 to 1.11 after NPO, and leaves it at 1.82 after the worst point nearby was
    descended. That is what is promised, and here all of it: training takes small steps and turns, and twelve of
    AdamW bring back 57 % of what was unlearned against 64 % after NPO (44 to 58 % with ρ from 0.03 to 0.1). Two steps
    of plain descent bring back less than half of NPO's share for 3 of 5 seeds. Nor are random directions flatter
    than NPO's: in 30 thousand dimensions the slope's own direction is none of them.
    """
    plain = unlearned_to(problem, NPO(step=Plain(), **LONG), TARGET, seed=0)
    smooth = unlearned_to(problem, Smooth(step=SAM(rho=0.2, on="forget"), **LONG), TARGET, seed=0)
    assert share_after_move(problem, plain, 0.2) > 0.4
    assert share_after_move(problem, smooth, 0.2) < 0.1
    assert smooth.retain <= 1.05 * plain.retain


def share_after_move(problem, unlearned, length):
    """Return the share of the forgetting that a move of this length against the slope of the forget loss undoes."""
    moved = copied(unlearned.model).requires_grad_(True)
    batch = problem.task.prepare(problem.forget.batch(torch.arange(len(problem.forget))))
    problem.task.training_losses(moved, batch).mean().backward()
    gradients = [p.grad for p in moved.parameters()]
    steepness = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
    with torch.no_grad():
        for weight, gradient in zip(moved.parameters(), gradients, strict=True):
            weight.sub_(gradient * length / steepness)
    original, after = (losses_of(problem, model)[0] for model in (problem.model, moved))
    return (unlearned.forget - after) / (unlearned.forget - original)


@pytest.mark.slow
def test_penalties_hold_over_five_seeds(problem):
    """Less than half of what AdamW brings back after NPO, for at least four of five seeds (measured: all five)."""
    won = {"penalty": 0, "curvature": 0}
    for seed in range(5):
        plain = unlearned_to(problem, NPO(step=Plain(), **LONG), TARGET, seed)
        for name, step in (
            ("penalty", GradientPenalty(rho=0.5)),
            ("curvature", CurvatureRegularisation(gamma=1.0, mu=0.1)),
        ):
            smooth = unlearned_to(problem, Smooth(step=step, **LONG | {"epochs": 120}), TARGET, seed)
            shares = [recovered(problem, model, 12, 3e-4) for model in (plain, smooth)]
            won[name] += shares[0] >= 2 * shares[1] and smooth.retain <= 1.05 * plain.retain
    assert min(won.values()) >= 4
