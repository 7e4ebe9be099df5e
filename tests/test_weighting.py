"""LoReUn's weights: its identities, its direction, and no gradient through them."""

from __future__ import annotations

import math

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.measuring import example_losses
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.methods.descent.loreun import LoReUn
from lethe.methods.descent.salun import SalUn
from lethe.models import copied, same_weights
from lethe.run import Run
from lethe.weighting import LossReweighting
from tests.helpers import tiny_problem

SMALL = {"epochs": 2, "batch_size": 8}


@pytest.mark.parametrize("reference", ["static", "dynamic"])
def test_infinite_temperature_is_the_base_method_to_the_bit(reference):
    problem = tiny_problem()
    weighting = LossReweighting(temperature=math.inf, reference=reference)
    for base, weighted in [
        (RandomLabels(**SMALL), LoReUn(temperature=math.inf, reference=reference, **SMALL)),
        (SalUn(**SMALL), SalUn(weighting=weighting, **SMALL)),
    ]:
        assert same_weights(unlearn(problem, base).model, unlearn(problem, weighted).model)
    assert not same_weights(
        unlearn(problem, RandomLabels(**SMALL)).model, unlearn(problem, LoReUn(temperature=0.1, **SMALL)).model
    )


@pytest.mark.parametrize("reference", ["static", "dynamic"])
def test_weights_have_mean_one_and_fall_with_the_loss(reference):
    problem = tiny_problem()
    weigh = LossReweighting(temperature=0.7, reference=reference).bind(problem, Run())
    batch = problem.forget.batch(torch.arange(12))
    weights = weigh(problem.model, batch)
    losses = example_losses(problem.model, problem.task, problem.forget, Run())
    assert weights.mean().item() == pytest.approx(1)
    order = losses.argsort()
    assert bool((weights[order].diff() < 0).all())
    tau = 0.7 * losses.median()
    torch.testing.assert_close(weights, 12 * torch.softmax(-losses / tau, 0))


def test_tiny_temperatures_do_not_underflow():
    problem = tiny_problem()
    weights = LossReweighting(temperature=1e-6).bind(problem, Run())(
        problem.model, problem.forget.batch(torch.arange(9))
    )
    assert bool(torch.isfinite(weights).all())
    assert weights.sum().item() == pytest.approx(9)


def test_dynamic_weights_follow_the_current_model_and_static_ones_do_not():
    problem = tiny_problem()
    other = copied(problem.model)
    with torch.no_grad():
        other.head.bias += torch.tensor([3.0, -3.0, 0.0])
    batch = problem.forget.batch(torch.arange(12))
    for reference, same in (("static", True), ("dynamic", False)):
        weigh = LossReweighting(reference=reference).bind(problem, Run())
        assert torch.allclose(weigh(problem.model, batch), weigh(other, batch)) is same


def test_without_normalisation_the_weights_decay_as_examples_are_forgotten():
    problem = tiny_problem()
    weigh = LossReweighting(reference="dynamic", normalise=False).bind(problem, Run())
    forgotten = unlearn(problem, GradientAscent(epochs=20, learning_rate=0.05)).model
    batch = problem.forget.batch(torch.arange(12))
    assert weigh(forgotten, batch).mean() < weigh(problem.model, batch).mean() < 1


def test_no_gradient_reaches_the_weights_and_the_model_keeps_its_mode():
    problem = tiny_problem()
    model = copied(problem.model).train()
    weights = LossReweighting(reference="dynamic").bind(problem, Run())(model, problem.forget.batch(torch.arange(5)))
    assert not weights.requires_grad
    assert model.training
    assert torch.equal(model.norm.running_mean, problem.model.norm.running_mean)


def test_weightings_without_a_forget_term_and_twice_are_refused():
    with pytest.raises(ConfigurationError, match="FineTune has no forget term for LossReweighting to weigh"):
        FineTune(weighting=LossReweighting()).check()
    with pytest.raises(ConfigurationError, match="LoReUn weighs the forget set itself"):
        LoReUn(weighting=LossReweighting()).check()
