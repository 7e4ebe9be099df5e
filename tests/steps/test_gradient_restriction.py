"""Gradient restriction descends the norms of the gradient as well, and leaves a model with smaller ones."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.baselines.retrain import Retrain
from lethe.problem import Problem
from lethe.steps import GradientRestriction, Plain
from lethe.terms import Terms
from tests.helpers import accuracies


def test_the_gradient_is_that_of_the_loss_with_the_norm_of_each_tensor():
    weights = [
        nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in ([0.3, -1.2], [[0.7, 0.1, -0.4], [1.0, -0.2, 0.5]])
    ]

    def loss() -> Tensor:
        a, b = weights
        return (a.exp().sum() * b.square().sum()).sin() + (b.sum(1) * a).pow(3).sum()

    value = loss()
    slopes = torch.autograd.grad(value, weights, create_graph=True)
    whole = value + 0.1 * torch.stack([torch.linalg.vector_norm(g) for g in slopes]).sum()
    wanted = torch.autograd.grad(whole, weights)
    before = [w.detach().clone() for w in weights]
    optimizer = torch.optim.SGD(weights, lr=1.0)
    GradientRestriction(alpha=0.1)(nn.Module(), Terms([lambda: {"retain": loss()}]), optimizer)
    for weight, start, gradient in zip(weights, before, wanted, strict=True):
        torch.testing.assert_close(start - weight.detach(), gradient)


def batch_norms(problem: Problem, model: nn.Module) -> float:
    """Mean norm of the gradients of batches of 64."""
    found = []
    for batch in problem.retain.batches(64):
        loss = problem.task.losses(model, batch).mean()
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]).norm())
    return float(torch.stack(found).mean())


def test_a_model_trained_with_it_has_smaller_gradients_and_is_as_good(random_subset):
    recipe = Retrain(epochs=3, batch_size=16, optimizer="adam", learning_rate=3e-3, weight_decay=0.0)
    trained = [
        unlearn(random_subset, dataclasses.replace(recipe, step=step)).model
        for step in (GradientRestriction(alpha=0.06), Plain())
    ]
    restricted, plain = (batch_norms(random_subset, model) for model in trained)
    assert restricted < 0.8 * plain
    assert accuracies(random_subset, trained[0])[2] > accuracies(random_subset, trained[1])[2] - 0.03


def test_a_negative_weight_is_refused():
    with pytest.raises(ConfigurationError, match="alpha"):
        GradientRestriction(alpha=-1.0)
