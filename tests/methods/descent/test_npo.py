"""NPO and its family, card 072: identities at the original, a bound that ascent lacks, forgetting at little cost."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from lethe.api import unlearn
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.npo import NPO
from lethe.run import Run
from tests.methods.descent.well_known import draw_of, gradient, nll, shaken, well_known_problem

STEPS = {"epochs": 40, "batch_size": 4, "learning_rate": 3e-3, "warmup_epochs": 0.0, "schedule": "constant"}
SLOW = {"batch_size": 4, "learning_rate": 0.01, "optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0} | {
    "warmup_epochs": 0.0, "schedule": "constant", "retain": "none"
}  # fmt: skip


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


@pytest.fixture(scope="module")
def double():
    problem = well_known_problem()
    problem.model.double()
    return problem


def forget_term(problem, model, method):
    return method.objective(problem, Run())(model, draw_of(problem, method))["forget"]


@pytest.mark.parametrize("beta", [0.01, 0.1, 1.0, 5.0])
def test_it_starts_at_two_over_beta_log_two_with_the_gradient_of_ascent_on_whole_answers(double, beta):
    value = forget_term(double, double.model, NPO(beta=beta, retain="none"))
    torch.testing.assert_close(value, torch.full_like(value, 2 / beta * math.log(2)), rtol=1e-6, atol=0)
    ascent = double.task.log_probs(double.model, draw_of(double, NPO()).forget).mean()
    found, expected = gradient(double.model, value.mean()), gradient(double.model, ascent)
    assert float((found - expected).norm() / expected.norm()) < 1e-6


def test_towards_beta_zero_it_is_ascent_on_the_ratio(double):
    moved, beta = shaken(double.model), 1e-3
    task, forget = double.task, draw_of(double, NPO()).forget
    ratio = (task.log_probs(moved, forget) - task.log_probs(double.model, forget)).mean()
    value = forget_term(double, moved, NPO(beta=beta, retain="none")).mean() - 2 / beta * math.log(2)
    assert abs(float(ratio.detach())) > 0.1
    assert abs(float((value / ratio).detach()) - 1) < 0.05


def test_the_reference_is_the_original_as_it_was_before_the_first_step(problem):
    other = copy.deepcopy(problem)
    other.model.load_state_dict(shaken(problem.model).state_dict())
    method = NPO(retain="none", beta=1.0)
    values = [forget_term(one, problem.model, method) for one in (problem, other)]
    assert float((values[0] - values[1]).abs().max().detach()) > 0.01


def test_the_loss_has_a_floor(problem):
    for size in (0.1, 1.0):
        assert bool((forget_term(problem, shaken(problem.model, size), NPO(retain="none")) >= 0).all())


def test_with_ten_times_the_steps_ascent_harms_what_is_kept_five_times_as_much(problem):
    before = nll(problem, problem.model, problem.kept)
    harm = {}
    for method in (NPO(epochs=100, beta=1.0, **SLOW), GradDiff(epochs=100, **SLOW)):
        model = unlearn(problem, method).model
        assert nll(problem, model, problem.forget) > 1
        harm[type(method)] = nll(problem, model, problem.kept) - before
    assert harm[GradDiff] > 5 * harm[NPO]


def test_with_a_retain_loss_it_forgets_by_a_nat_a_token_at_a_tenth_of_one_where_fine_tuning_does_not(problem):
    before = [nll(problem, problem.model, examples) for examples in (problem.forget, problem.kept)]
    model = unlearn(problem, NPO(retain_weight=5.0, **STEPS)).model
    after = [nll(problem, model, examples) for examples in (problem.forget, problem.kept)]
    assert after[0] > before[0] + 1
    assert abs(after[1] - before[1]) < 0.1
    tuned = unlearn(problem, FineTune(epochs=8, batch_size=4, learning_rate=3e-3, optimizer="adamw")).model
    assert nll(problem, tuned, problem.forget) < before[0] + 1
    assert nll(problem, tuned, problem.forget) < after[0] / 4


@pytest.mark.parametrize("retain", ["nll", "kl"])
def test_either_retain_term_keeps_what_ascent_alone_destroys(problem, retain):
    alone = unlearn(problem, GradDiff(retain="none", **STEPS)).model
    beside = unlearn(problem, GradDiff(retain=retain, **STEPS)).model
    assert nll(problem, alone, problem.kept) > 5
    assert nll(problem, beside, problem.kept) < 0.5
    assert nll(problem, beside, problem.forget) > 3


def test_the_original_is_read_in_evaluation_mode():
    """A reference with dropout would be another one at every pass."""
    problem = well_known_problem()
    for block in problem.task.blocks(problem.model):
        block.self_attn.attention_dropout = 0.5
    problem.model.train()
    values = [forget_term(problem, shaken(problem.model).eval(), NPO(retain="none")) for _ in range(2)]
    assert torch.equal(*values)
