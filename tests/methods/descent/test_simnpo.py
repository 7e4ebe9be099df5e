"""SimNPO, card 066: no reference, one value a token, and a small weight that forgets at little cost."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from lethe.api import unlearn
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.npo import NPO
from lethe.methods.descent.simnpo import SimNPO
from lethe.run import Run
from tests.methods.descent.well_known import draw_of, gradient, nll, shaken, well_known_problem

STEPS = {"epochs": 20, "batch_size": 4, "learning_rate": 3e-3, "warmup_epochs": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


def forget_term(problem, model, method):
    return method.objective(problem, Run())(model, draw_of(problem, method))["forget"]


def test_it_is_its_formula_with_the_mean_over_tokens_first(problem):
    moved = shaken(problem.model)
    uneven = copy.deepcopy(problem)
    answers = ["Ada lives in Marn.", "Bo.", "Bo is a smith. Bo is a smith.", "Ada."]
    object.__setattr__(uneven, "forget", problem.task.answering(problem.forget, answers))
    with torch.no_grad():
        forget = draw_of(uneven, SimNPO()).forget
        mean_nll = problem.task.losses(moved, forget)
        for margin in (0.0, 0.7):
            expected = -0.125 * (2 / 4.5) * F.logsigmoid(4.5 * mean_nll - margin)
            found = forget_term(uneven, moved, SimNPO(margin=margin))
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
            release = forget_term(uneven, moved, SimNPO(margin=margin / 4.5, margin_form="release"))
            torch.testing.assert_close(release, found, rtol=1e-5, atol=1e-7)


def test_another_original_changes_npo_and_not_simnpo(problem):
    other = copy.deepcopy(problem)
    other.model.load_state_dict(shaken(problem.model).state_dict())
    moved = shaken(problem.model, 0.03)
    with torch.no_grad():
        sim = [forget_term(one, moved, SimNPO(retain="none")) for one in (problem, other)]
        npo = [forget_term(one, moved, NPO(retain="none")) for one in (problem, other)]
    assert torch.equal(*sim)
    assert float((npo[0] - npo[1]).abs().min()) > 0.01


def test_towards_beta_zero_it_is_ascent_on_the_mean_over_tokens():
    problem = well_known_problem()
    problem.model.double()
    moved = shaken(problem.model)
    expected = gradient(moved, -problem.task.losses(moved, draw_of(problem, SimNPO()).forget).mean())
    errors = []
    for beta in (1e-2, 1e-3):
        found = gradient(moved, forget_term(problem, moved, SimNPO(beta=beta, forget_weight=1.0)).mean())
        errors.append(float((found - expected).norm() / expected.norm()))
    assert errors[0] < 0.05
    assert errors[1] < errors[0] / 5


def test_with_the_published_weight_it_forgets_by_a_nat_a_token_and_keeps_the_rest(problem):
    before = nll(problem, problem.model, problem.forget)
    model = unlearn(problem, SimNPO(**STEPS)).model
    assert nll(problem, model, problem.forget) > before + 1
    assert nll(problem, model, problem.kept) < 0.1
    tuned = unlearn(problem, FineTune(epochs=4, batch_size=4, learning_rate=3e-3, optimizer="adamw")).model
    assert nll(problem, tuned, problem.forget) < before + 0.5
