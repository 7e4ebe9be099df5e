"""The terms all language-model methods share, against sums worked out sequence by sequence in double precision.

Tolerances of 1e-6 leave room for the weights of answers in a mean over tokens, which are single precision.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.api import unlearn
from lethe.examples import join
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.gradient_ascent import GradientAscent, NegGradPlus
from lethe.methods.baselines.last_layers import CatastrophicForgettingK
from lethe.methods.baselines.retrain import Retrain
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.l1_sparse import L1Sparse
from lethe.methods.descent.language import retain_term
from lethe.parts import parts
from lethe.run import Run
from tests.methods.descent.well_known import draw_of, gradient, nll, shaken, well_known_problem

SGD = {"optimizer": "adamw", "learning_rate": 1e-3, "batch_size": 4}


@pytest.fixture(scope="module")
def problem():
    return well_known_problem()


@pytest.fixture(scope="module")
def double():
    """The problem in float64 with answers of all lengths, and a model somewhere else than its original."""
    problem = well_known_problem()
    problem.model.double()
    answers = ["Ada lives in Marn.", "Bo.", "Bo is a smith. Bo is a smith.", "Cleo is a weaver in Osk.", "Ada lives."]
    forget, retain = (
        problem.task.answering(examples, [answers[i % len(answers)] for i in range(len(examples))])
        for examples in (problem.forget, problem.kept)
    )
    return dataclasses.replace(problem, forget=forget, retain=retain), shaken(problem.model)


def token_log_probs(model, examples):
    """Return for each example log p over the vocabulary at every token of its answer, and those tokens: no batching."""
    for tokens, length, first in zip(examples["tokens"], examples["length"], examples["answer_from"], strict=True):
        whole = tokens[: int(length)].long()
        log_p = model(input_ids=whole.unsqueeze(0))["logits"][0].log_softmax(-1)
        yield log_p[int(first) - 1 : -1], whole[int(first) :]


def pooled_nll(model, examples):
    said = [-log_p.gather(1, true.unsqueeze(1)) for log_p, true in token_log_probs(model, examples)]
    return torch.cat(said).mean()


def pooled_kl(original, model, examples):
    pairs = zip(token_log_probs(original, examples), token_log_probs(model, examples), strict=True)
    return torch.cat([(p.exp() * (p - q)).sum(-1) for (p, _), (q, _) in pairs]).mean()


def test_the_retain_kl_is_the_mean_over_answer_tokens_of_kl_from_the_original(double):
    problem, moved = double
    draw = draw_of(problem, GradDiff())
    term = retain_term(problem, problem.task, "kl")
    expected = pooled_kl(problem.model, moved, problem.kept)
    assert expected > 0.01
    torch.testing.assert_close(term(moved, draw.retain).mean(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(
        gradient(moved, term(moved, draw.retain).mean()), gradient(moved, expected), rtol=1e-6, atol=1e-7
    )


def test_the_retain_kl_is_zero_without_gradient_at_the_original(double):
    problem, _ = double
    value = retain_term(problem, problem.task, "kl")(problem.model, draw_of(problem, GradDiff()).retain).mean()
    assert abs(float(value.detach())) < 1e-12
    assert float(gradient(problem.model, value).abs().max()) < 1e-9


def test_the_retain_loss_and_ascent_are_means_over_all_answer_tokens(double):
    problem, moved = double
    method = GradDiff()
    terms = method.objective(problem, Run())(moved, draw_of(problem, method))
    torch.testing.assert_close(terms["retain"].mean(), pooled_nll(moved, problem.kept), rtol=1e-6, atol=0)
    torch.testing.assert_close(terms["forget"].mean(), -pooled_nll(moved, problem.forget), rtol=1e-6, atol=0)


def test_a_mean_over_tokens_is_not_the_mean_over_answers(double):
    problem, moved = double
    batch = draw_of(problem, GradDiff()).retain
    assert len(set(problem.task.answer_lengths(batch).tolist())) == 5
    by_answer = problem.task.losses(moved, batch).mean()
    assert abs(float((pooled_nll(moved, problem.kept) - by_answer).detach())) > 0.01


@pytest.mark.parametrize("retain", ["nll", "kl"])
def test_a_batch_cut_into_parts_has_the_terms_of_the_whole(double, retain):
    problem, moved = double
    method = GradDiff(retain=retain, forget_kl=0.5)
    draw = draw_of(problem, method)
    objective = method.objective(problem, Run())
    whole = {name: value.mean() for name, value in objective(moved, draw).items()}
    cut = parts(draw, problem.task, most=5)
    assert len(cut) > 2
    for name, value in whole.items():
        total = sum(part.reduced(name, objective(moved, part.draw)[name]) for part in cut)
        torch.testing.assert_close(total, value, rtol=1e-6, atol=0)


def test_prompt_and_padding_count_nowhere(double):
    problem, moved = double
    task, draw = problem.task, draw_of(problem, GradDiff())
    long = task.answering(problem.kept, ["Ada lives in Marn. " * 4] * len(problem.kept))
    padded = join(draw.forget, task.prepare(long.batch(torch.arange(len(long)))))
    alone = task.outputs(moved, draw.forget)
    torch.testing.assert_close(task.outputs(moved, padded)[: len(alone)], alone, rtol=1e-9, atol=1e-12)
    assert len(alone) == int(task.answer_lengths(draw.forget).sum())


def test_the_anchor_on_forget_answers_is_their_kl_from_the_original(double):
    problem, moved = double
    values = []
    for weight in (0.0, 1.0):
        method = GradDiff(retain="none", forget_kl=weight)
        values.append(method.objective(problem, Run())(moved, draw_of(problem, method))["forget"].mean())
    torch.testing.assert_close(
        values[1] - values[0], pooled_kl(problem.model, moved, problem.forget), rtol=1e-6, atol=0
    )


def test_the_baselines_do_on_language_models_what_they_do_elsewhere(problem):
    before = nll(problem, problem.model, problem.forget), nll(problem, problem.model, problem.kept)
    after = {}
    for method in (
        GradientAscent(epochs=10, **SGD),
        NegGradPlus(epochs=4, beta=0.8, **SGD),
        FineTune(epochs=4, **SGD),
        L1Sparse(epochs=4, **SGD),
        CatastrophicForgettingK(epochs=4, **SGD),
    ):
        model = unlearn(problem, method).model
        after[type(method).__name__] = nll(problem, model, problem.forget), nll(problem, model, problem.kept)
    assert min(after["GradientAscent"]) > 1
    assert after["NegGradPlus"][0] > 1
    assert after["NegGradPlus"][1] < 0.3
    for name in ("FineTune", "CatastrophicForgettingK"):
        assert after[name][0] < 0.2
        assert after[name][1] < before[1]
    assert after["L1Sparse"][0] > after["FineTune"][0]


def test_retraining_learns_what_is_kept_and_not_what_is_forgotten(problem):
    method = Retrain(epochs=80, optimizer="adamw", learning_rate=5e-3, batch_size=9, weight_decay=0.0)
    model = unlearn(problem, method).model
    assert nll(problem, model, problem.kept) < 0.15
    assert nll(problem, model, problem.forget) > 1
