"""LoReUn's weights: its identities, its direction, and no gradient through them."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.feeds import redrawn, retain_pass
from lethe.measuring import example_losses
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.methods.baselines.retrain import Retrain
from lethe.methods.baselines.scrub import Scrub
from lethe.methods.descent.l1_sparse import L1Sparse
from lethe.methods.descent.loreun import LoReUn
from lethe.methods.descent.salun import SalUn
from lethe.models import copied, same_weights
from lethe.run import Run
from lethe.weighting import LossReweighting, Reweight, Uniform, group_weights
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


def grouped(problem, forget, retain):
    """The problem with these groups as a column."""
    return dataclasses.replace(
        problem,
        forget=problem.forget.with_column("group", torch.tensor(forget)),
        retain=problem.kept.with_column("group", torch.tensor(retain)),
    )


def test_drawn_retain_examples_stand_in_the_groups_of_all_training_data():
    problem = grouped(tiny_problem(forget=12, retain=40), [0] * 12, [0] * 4 + [1] * 36)
    shares = Reweight("group").shares(problem)
    planned = [rows for epoch in range(100) for rows in retain_pass(problem, Run(), epoch, 8)]
    rows = torch.cat([retain for _, retain in redrawn(planned, shares, torch.Generator().manual_seed(0))])
    assert len(rows) == 4000
    numbers = problem.kept.tensor("label") + 3 * problem.kept.tensor("group")
    every = torch.cat([problem.forget.tensor("label") + 3 * problem.forget.tensor("group"), numbers])
    kept_groups = numbers.unique()  # classes are groups as well
    seen = torch.bincount(numbers[rows], minlength=6)[kept_groups].double()
    sizes = torch.tensor([(label + 3 * group) for group in problem.kept.tensor("group").unique() for label in range(3)])
    assert len(sizes) == len(kept_groups)
    wanted = torch.bincount(every, minlength=6)[kept_groups].double()
    wanted *= len(rows) / wanted.sum()
    statistic = float(((seen - wanted) ** 2 / wanted).sum())
    assert statistic < 20.5  # χ² with 5 degrees of freedom: 1 in 1000
    plain = torch.bincount(numbers, minlength=6)[kept_groups].double() * len(rows) / len(numbers)
    assert float(((plain - wanted) ** 2 / wanted).sum()) > 200


def test_where_groups_are_forgotten_alike_all_weights_are_alike_and_none_is_one_where_nothing_is():
    problem = grouped(tiny_problem(forget=12, retain=36), [0, 1] * 6, [0, 1] * 18)
    task, zeros = problem.task, [problem.forget, problem.kept]
    flat = dataclasses.replace(
        problem,
        **{
            name: part.with_column(task.label, torch.zeros(len(part), dtype=torch.long))
            for name, part in zip(("forget", "retain"), zeros, strict=True)
        },
    )
    assert torch.equal(Reweight("group").shares(flat), torch.full((36,), 24 / 18, dtype=torch.float64))
    assert torch.equal(Reweight().shares(flat), torch.full((36,), 48 / 36, dtype=torch.float64))
    assert torch.equal(
        group_weights(torch.tensor([], dtype=torch.long), torch.tensor([0, 1, 1])), torch.ones(2).double()
    )


@pytest.mark.parametrize("method", [FineTune, SalUn, Scrub, L1Sparse, Retrain])
def test_every_method_that_trains_on_the_retain_set_takes_the_reweighting(method):
    problem = grouped(tiny_problem(), [0] * 12, [0] * 10 + [1] * 30)
    plain, reweighted = (
        unlearn(problem, method(epochs=1, batch_size=8, weighting=weighting)).model
        for weighting in (Uniform(), Reweight("group"))
    )
    assert not same_weights(plain, reweighted)


def test_a_method_without_retain_examples_refuses_the_reweighting():
    with pytest.raises(ConfigurationError, match="GradientAscent has no retain term for Reweight to weigh"):
        unlearn(tiny_problem(), GradientAscent(weighting=Reweight()))


def test_groups_that_are_gone_or_no_numbers_are_refused_in_one_line():
    problem = tiny_problem()
    gone = grouped(problem, [2] * 12, [0, 1] * 20)
    with pytest.raises(InputError, match="are to be forgotten, and none of the retain set can stand for it"):
        unlearn(gone, FineTune(weighting=Reweight("group")))
    for forget in ([-1] + [0] * 11, [0.5] + [0.0] * 11):
        with pytest.raises(InputError, match="does not number groups: example 'e0' has"):
            unlearn(grouped(problem, forget, [0, 1] * 20), FineTune(weighting=Reweight("group")))
