"""Fisher forgetting: noise where the retain set does not mind."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.edits.fisher_forgetting import FisherForgetting, vanished_classes
from lethe.models import same_weights
from lethe.run import Run
from lethe.state_arithmetic import difference, weights, with_weights
from tests.helpers import accuracies, tiny_problem


def test_the_fisher_diagonal_is_the_expectation_under_the_models_own_prediction():
    problem = tiny_problem()
    found = FisherForgetting(batch_size=16).fisher(problem, Run())
    parameters = dict(problem.model.named_parameters())
    expected = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for batch in problem.retain.batches(1):
        log_probs = problem.task.outputs(problem.model, batch).log_softmax(1)[0]
        for label in range(3):
            gradients = torch.autograd.grad(-log_probs[label], list(parameters.values()), retain_graph=True)
            for name, gradient in zip(parameters, gradients, strict=True):
                expected[name] += log_probs[label].exp().detach() * gradient.square() / len(problem.retain)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-7)


def test_the_variance_falls_with_importance_up_to_its_cap():
    method = FisherForgetting(alpha=2.0)
    matrix = torch.tensor([[1.0, 0.5], [0.0, 0.0]])
    torch.testing.assert_close(method.variance(matrix, False), torch.tensor([[3.0, 3.0], [2e3, 2e3]]))
    torch.testing.assert_close(method.variance(matrix, True), torch.tensor([[30.0, 30.0], [2e3, 2e3]]))
    torch.testing.assert_close(method.variance(torch.tensor([1.0, 0.0]), False), torch.tensor([20.0, 2e4]))


def test_noise_scales_with_the_root_of_alpha_and_none_changes_nothing():
    problem, few = tiny_problem(), FisherForgetting(alpha=1e-6)
    assert vanished_classes(problem) == []
    assert same_weights(unlearn(problem, dataclasses.replace(few, alpha=0.0)).model, problem.model)
    small = difference(unlearn(problem, few).model, problem.model)
    large = difference(unlearn(problem, dataclasses.replace(few, alpha=4e-6)).model, problem.model)
    for name, value in small.items():
        torch.testing.assert_close(large[name], 2 * value, rtol=1e-3, atol=1e-6)
    assert not same_weights(unlearn(problem, few, seed=1).model, unlearn(problem, few, seed=2).model)


def test_a_class_is_forgotten_with_its_head_row_and_the_others_are_kept(whole_class):
    _, retain_before, test_before = accuracies(whole_class, whole_class.model)
    model = unlearn(whole_class, FisherForgetting(alpha=1e-7)).model
    forget, retain, test = accuracies(whole_class, model)
    assert forget < 0.05
    assert retain > retain_before - 0.03
    assert test > test_before - 0.03
    sizes = model.head.weight.detach().abs().mean(1)
    assert sizes[3] < 0.2 * sizes[4]


def test_noise_that_ignores_importance_costs_more_accuracy(mislabelled):
    model = unlearn(mislabelled, FisherForgetting(alpha=3e-6)).model
    generator, blind = torch.Generator().manual_seed(0), {}
    change, before = difference(model, mislabelled.model), weights(mislabelled.model)
    size = torch.cat([value.flatten() for value in change.values()]).std()
    for name, value in before.items():
        blind[name] = value + size * torch.randn(value.shape, generator=generator)
    uninformed = accuracies(mislabelled, with_weights(mislabelled.model, blind))[1]
    assert accuracies(mislabelled, model)[1] > uninformed + 0.05


@pytest.mark.parametrize("wrong", [{"alpha": -1.0}, {"batch_size": 0}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        unlearn(tiny_problem(), FisherForgetting(**wrong))
