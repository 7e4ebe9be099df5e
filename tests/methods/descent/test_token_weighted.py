"""WGA and SatImp: their formulas over pooled tokens, the limits that are other methods, and what they forget."""

from __future__ import annotations

import pytest
import torch

from lethe.api import unlearn
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.token_weighted import WGA, SatImp
from lethe.run import Run
from tests.methods.descent.well_known import draw_of, gradient, nll, shaken, well_known_problem

STEPS = {"epochs": 20, "batch_size": 4, "learning_rate": 3e-3, "warmup_epochs": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


@pytest.fixture(scope="module")
def moved(problem):
    return shaken(problem.model, 0.04)


def forget_term(problem, model, method):
    return method.objective(problem, Run())(model, draw_of(problem, method))["forget"].mean()


def token_probabilities(problem, model):
    forget = draw_of(problem, WGA()).forget
    return -problem.task.token_losses_from(problem.task.outputs(model, forget), forget)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_wga_weighs_every_token_by_its_own_probability(problem, moved, beta):
    log_p = token_probabilities(problem, moved)
    expected = (log_p.detach().exp() ** beta * log_p).mean()
    found = forget_term(problem, moved, WGA(beta=beta))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient(moved, found), gradient(moved, expected), rtol=1e-3, atol=1e-6)


def test_satimp_weighs_by_saturation_and_importance(problem, moved):
    log_p = token_probabilities(problem, moved)
    p = log_p.detach().exp()
    expected = (p**5 * (1 - p) * log_p).mean()
    found = forget_term(problem, moved, SatImp())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient(moved, found), gradient(moved, expected), rtol=1e-3, atol=1e-6)


def test_the_limits_are_each_other_and_gradient_difference(problem, moved):
    def same(one, other):
        torch.testing.assert_close(forget_term(problem, moved, one), forget_term(problem, moved, other))

    same(WGA(beta=0.0), GradDiff())
    same(SatImp(importance=0.0, saturation=2.0), WGA(beta=2.0))


@pytest.mark.parametrize("method", [WGA(**STEPS), SatImp(retain_weight=1.0, **STEPS)])
def test_it_forgets_by_a_nat_a_token_and_keeps_the_rest_better_than_unweighted_ascent(problem, method):
    before = nll(problem, problem.model, problem.forget)
    model = unlearn(problem, method).model
    assert nll(problem, model, problem.forget) > before + 1
    assert nll(problem, model, problem.kept) < 0.1
    plain = unlearn(problem, GradDiff(**STEPS)).model
    assert nll(problem, model, problem.kept) < nll(problem, plain, problem.kept) / 2
    tuned = unlearn(problem, FineTune(epochs=4, batch_size=4, learning_rate=3e-3, optimizer="adamw")).model
    assert nll(problem, tuned, problem.forget) < before + 0.5
