"""Influence unlearning takes the Newton step it promises, up the forget loss."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.edits.influence import InfluenceUnlearning
from lethe.methods.edits.inverse_hessian import released_recursion, woodbury
from lethe.models import copied
from tests.helpers import accuracies, tiny_problem

DAMPING = 1000.0


def normal(*shape, scale=1.0, seed=0):
    return scale * torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def solved(gradients, vector):
    hessian = torch.eye(len(vector), dtype=torch.float64) + gradients.t() @ gradients / DAMPING
    return torch.linalg.solve(hessian, vector)


def exact_recursion(gradients, vector):
    """The rank-one updates one by one, as WoodFisher writes them."""
    result, directions = vector.clone(), []
    for gradient in gradients:
        along = gradient.clone()
        for other, seen in directions:
            along -= (other @ gradient) / (DAMPING + other @ seen) * other
        result -= (result @ gradient) / (DAMPING + along @ gradient) * along
        directions.append((along, gradient))
    return result


@pytest.mark.parametrize("scale", [1.0, 4.0, 30.0])
def test_the_exact_product_solves_the_system_and_is_the_recursion(scale):
    gradients, vector = normal(80, 40, scale=scale), normal(40)
    found = woodbury(gradients, vector, DAMPING)
    torch.testing.assert_close(found, solved(gradients, vector), rtol=0, atol=1e-8)
    torch.testing.assert_close(found, exact_recursion(gradients, vector), rtol=0, atol=1e-8)


def test_the_released_recursion_is_the_inverse_only_for_small_gradients():
    vector = normal(30)
    torch.testing.assert_close(released_recursion([torch.zeros(30, dtype=torch.float64)] * 5, vector, DAMPING), vector)
    small, large = (normal(300, 30, scale=length / 30**0.5, seed=1) for length in (4, 20))
    agreement = [
        float(torch.cosine_similarity(released_recursion(g, vector, DAMPING), woodbury(g, vector, DAMPING), dim=0))
        for g in (small, large)
    ]
    assert agreement[0] > 0.99
    assert agreement[1] < 0.9


def test_the_step_is_alpha_times_the_inverse_hessian_times_the_gradient_difference():
    problem, method = tiny_problem(), InfluenceUnlearning(alpha=3.0, damping=10.0)

    def gradient(examples, row):
        model = copied(problem.model).double().eval()
        batch = examples.batch(torch.tensor([row]))
        batch = batch.with_column("input", batch.tensor("input").double())
        logits = model(batch.tensor("input"))
        loss = torch.nn.functional.cross_entropy(logits, batch.tensor("label"))
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])

    forget = torch.stack([gradient(problem.forget, row) for row in range(len(problem.forget))])
    retain = torch.stack([gradient(problem.retain, row) for row in range(len(problem.retain))])
    total = len(forget) + len(retain)
    direction = forget.sum(0) / total - len(forget) / (total * len(retain)) * retain.sum(0)
    hessian = torch.eye(len(direction), dtype=torch.float64) + retain.t() @ retain / 10.0
    expected = 3.0 * torch.linalg.solve(hessian, direction)
    before, after = (
        torch.nn.utils.parameters_to_vector(m.parameters()).detach()
        for m in (problem.model, unlearn(problem, method).model)
    )
    torch.testing.assert_close((after - before).double(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("mode", ["exact", "released"])
def test_mislabelled_examples_are_forgotten_and_the_reverse_step_forgets_nothing(mislabelled, mode):
    method = InfluenceUnlearning(alpha=10.0, mode=mode, samples=300)
    forget_before, _, test_before = accuracies(mislabelled, mislabelled.model)
    forget, _, test = accuracies(mislabelled, unlearn(mislabelled, method).model)
    assert forget < forget_before - 0.2
    assert test > test_before - 0.05
    reverse = dataclasses.replace(method, alpha=-10.0)
    assert accuracies(mislabelled, unlearn(mislabelled, reverse).model)[0] > forget + 0.2


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"damping": 0.0}, {"batch_size": 0}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        unlearn(tiny_problem(), InfluenceUnlearning(**wrong))
