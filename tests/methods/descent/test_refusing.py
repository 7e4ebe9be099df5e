"""IDK, DPO and KTO, card 072: refusals of one's own, the formulas at the original, and what they do to an answer."""

from __future__ import annotations

import math

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.preference import DPO, KTO
from lethe.methods.descent.refusals import REFUSALS
from lethe.methods.descent.refusing import IDK, REFUSAL
from lethe.run import Run
from tests.methods.descent.well_known import draw_of, gradient, nll, shaken, well_known_problem

STEPS = {"epochs": 30, "batch_size": 4, "learning_rate": 3e-3, "warmup_epochs": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


@pytest.fixture(scope="module")
def double():
    """The problem in float64, and a model somewhere else than its original."""
    problem = well_known_problem()
    problem.model.double()
    return problem, shaken(problem.model)


def gains(problem, moved, draw):
    """Return log π - log π_0 of the refusals and of the forget answers."""
    read, answers = problem.task.log_probs, (draw.substitutes[REFUSAL], draw.forget)
    return [read(moved, batch) - read(problem.model, batch).detach() for batch in answers]


def test_there_are_a_hundred_refusals_and_no_two_are_alike():
    assert len(REFUSALS) == len({line.lower().strip(" .") for line in REFUSALS}) == 100


def test_refusals_are_drawn_anew_for_each_example_and_epoch_and_keep_ids_and_prompts(problem):
    method = IDK()
    first, second = (method.substitutes(problem, Run(), epoch)[REFUSAL] for epoch in (0, 1))
    assert first.ids == problem.forget.ids
    assert list(first["prompt"]) == list(problem.forget["prompt"])
    assert set(first["answer"]) <= set(REFUSALS)
    assert len(set(first["answer"])) > 1
    assert list(first["answer"]) != list(second["answer"])
    again = method.substitutes(problem, Run(), 0)[REFUSAL]
    assert list(first["answer"]) == list(again["answer"])
    other = method.substitutes(problem, Run(seed=1), 0)[REFUSAL]
    assert list(first["answer"]) != list(other["answer"])


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_dpo_starts_at_c_over_beta_log_two_with_half_the_gradient_of_the_difference(double, scale):
    problem, _ = double
    method, beta = DPO(retain="none", scale=scale), 0.1
    draw = draw_of(problem, method)
    value = method.objective(problem, Run())(problem.model, draw)["forget"]
    torch.testing.assert_close(value, torch.full_like(value, scale / beta * math.log(2)), rtol=1e-6, atol=0)
    refusal, answer = gains(problem, problem.model, draw)
    expected = scale / 2 * gradient(problem.model, (answer - refusal).mean())
    found = gradient(problem.model, value.mean())
    assert float((found - expected).norm() / expected.norm()) < 1e-5


def test_dpo_is_its_formula_away_from_the_original(double):
    problem, moved = double
    method = DPO(retain="none", beta=0.5)
    draw = draw_of(problem, method)
    refusal, answer = gains(problem, moved, draw)
    expected = 2.0 * torch.log1p(torch.exp(-0.5 * (refusal - answer)))
    value = method.objective(problem, Run())(moved, draw)["forget"]
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)


def test_kto_takes_its_baseline_from_the_refusals_of_the_whole_batch_without_gradient(double):
    problem, moved = double
    method = KTO(retain="none", beta=0.5)
    draw = draw_of(problem, method)
    refusal, answer = gains(problem, moved, draw)
    assert abs(float(refusal.mean().detach())) > 0.1
    expected = 1 - 4.0 * torch.sigmoid(refusal.mean().detach() - 0.5 * answer)
    value = method.objective(problem, Run())(moved, draw)["forget"]
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient(moved, value.mean()), gradient(moved, expected.mean()), rtol=1e-4, atol=1e-6)
    with pytest.raises(ConfigurationError, match="micro_batch"):
        KTO(micro_batch=2).check()


@pytest.mark.parametrize("method", [IDK, DPO, KTO])
def test_the_answer_gives_way_and_the_rest_stays(problem, method):
    before = nll(problem, problem.model, problem.forget)
    model = unlearn(problem, method(**STEPS)).model
    assert nll(problem, model, problem.forget) > before + 1
    assert nll(problem, model, problem.kept) < 0.15
    tuned = unlearn(problem, FineTune(epochs=6, batch_size=4, learning_rate=3e-3, optimizer="adamw")).model
    assert nll(problem, tuned, problem.forget) < before + 1
    if method is not KTO:
        unseen = problem.task.answering(problem.forget, ["I do not know that."] * len(problem.forget))
        assert nll(problem, model, unseen) < nll(problem, problem.model, unseen) - 2
