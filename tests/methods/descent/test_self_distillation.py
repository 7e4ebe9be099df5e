"""UNDIAL and CE-U: whom they distil from, at which tokens, and where they come to rest."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.self_distillation import CEU, UNDIAL
from lethe.run import Run
from tests.methods.descent.well_known import draw_of, nll, shaken, well_known_problem

STEPS = {"batch_size": 4, "learning_rate": 1e-3, "warmup_epochs": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


def forget_term(problem, model, method):
    return method.objective(problem, Run())(model, draw_of(problem, method))["forget"].mean()


def answers(problem, skipped=0):
    """Yield the tokens of each forget example and the places of its answer's tokens, the first few left out."""
    forget = problem.forget
    for tokens, length, first in zip(forget["tokens"], forget["length"], forget["answer_from"], strict=True):
        whole = tokens[: int(length)].long()
        yield whole, range(int(first) + skipped, int(length))


def log_probs(model, whole):
    return model(input_ids=whole.unsqueeze(0))["logits"][0].log_softmax(-1)


@pytest.mark.parametrize("strength", [0.0, 3.0, 10.0])
def test_undial_teaches_the_originals_prediction_with_the_true_tokens_lowered(problem, strength):
    moved, values = shaken(problem.model), []
    with torch.no_grad():
        for whole, places in answers(problem):
            teacher, student = log_probs(problem.model, whole), log_probs(moved, whole)
            for place in places:
                lowered = teacher[place - 1].clone()
                lowered[whole[place]] -= strength
                values.append(-(lowered.softmax(-1) * student[place - 1]).sum())
        found = forget_term(problem, moved, UNDIAL(strength=strength))
    torch.testing.assert_close(found, torch.stack(values).mean())


@pytest.mark.parametrize("skipped", [0, 1, 3])
def test_ceu_teaches_the_models_own_prediction_without_the_true_token_after_the_first_ones(problem, skipped):
    moved, values = shaken(problem.model), []
    with torch.no_grad():
        for whole, places in answers(problem, skipped):
            predicted = log_probs(moved, whole)
            for place in places:
                others = predicted[place - 1].exp()
                others[whole[place]] = 0
                values.append(-(others / others.sum() * predicted[place - 1]).sum())
        found = forget_term(problem, moved, CEU(skipped=skipped))
    torch.testing.assert_close(found, torch.stack(values).mean())


def test_ceu_names_the_answer_that_is_too_short(problem):
    short = copy.deepcopy(problem)
    object.__setattr__(short, "forget", problem.task.answering(problem.forget, ["Ada lives in Marn."] * 3 + ["Bo."]))
    with pytest.raises(InputError, match="'Bo-craft' has no token after its first 3"):
        unlearn(short, CEU(skipped=3))
    with pytest.raises(ConfigurationError, match="skipped"):
        CEU(skipped=-1).check()


@pytest.mark.parametrize("method", [UNDIAL(epochs=40, **STEPS), CEU(epochs=6, **STEPS)])
def test_it_forgets_by_a_nat_a_token_which_fine_tuning_does_not(problem, method):
    before = nll(problem, problem.model, problem.forget)
    assert method.requirements() == frozenset()
    assert nll(problem, unlearn(problem, method).model, problem.forget) > before + 1
    tuned = unlearn(problem, FineTune(epochs=8, batch_size=4, learning_rate=1e-3, optimizer="adamw")).model
    assert nll(problem, tuned, problem.forget) < before + 0.5


def test_undial_comes_to_rest_at_the_lowered_original_and_stays_there(problem):
    values = []
    with torch.no_grad():
        for whole, places in answers(problem):
            for place, log_p in zip(places, log_probs(problem.model, whole)[places.start - 1 :], strict=False):
                p = log_p[whole[place]].exp()
                # softmax(z - 3 e_y)_y = p e^-3 / (p e^-3 + 1 - p)
                values.append(((p * math.exp(-3) + 1 - p) / (p * math.exp(-3))).log())
    rest = float(torch.stack(values).mean())
    before = nll(problem, problem.model, problem.forget)
    assert rest > 5 * before
    for epochs in (60, 120):
        method = UNDIAL(strength=3.0, epochs=epochs, **{**STEPS, "learning_rate": 3e-3})
        assert nll(problem, unlearn(problem, method).model, problem.forget) == pytest.approx(rest, rel=0.05)


def test_undial_beside_a_retain_loss_keeps_the_rest(problem):
    model = unlearn(problem, UNDIAL(epochs=80, retain="nll", **STEPS)).model
    assert nll(problem, model, problem.forget) > 1
    assert nll(problem, model, problem.kept) < 0.1


def test_logits_of_the_teacher_are_the_originals_and_not_the_moving_models(problem):
    other = copy.deepcopy(problem)
    other.model.load_state_dict(shaken(problem.model, 0.05).state_dict())
    moved = shaken(problem.model)
    with torch.no_grad():
        undial = [forget_term(one, moved, UNDIAL()) for one in (problem, other)]
        ceu = [forget_term(one, moved, CEU()) for one in (problem, other)]
    assert abs(float(undial[0] - undial[1])) > 0.01
    assert torch.equal(*ceu)
