"""Planted language models, whose outcome is known: each of the six words is said of the model it was made for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from lethe import models
from lethe.auditing import Audit, Auditor, Evidence
from lethe.auditing.attacks.relearn import RelearnText
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.tasks import CausalLM
from lethe.testing.language import tiny_language_problem
from tests.auditing.test_text_audit import with_wrong

ATTACK = RelearnText(learning_rate=3e-3, max_steps=40, evaluate_every=1)


def language(problem: Problem) -> CausalLM:
    assert isinstance(problem.task, CausalLM)
    return problem.task


@pytest.fixture(scope="module")
def problem() -> Problem:
    made = tiny_language_problem()
    assert made.retrain is not None
    golds = (*made.gold, made.retrain(made.kept, 3))
    return dataclasses.replace(made, forget=with_wrong(made.forget), retain=with_wrong(made.kept), gold=golds)


@pytest.fixture(scope="module")
def auditor(problem: Problem) -> Auditor:
    return Audit(attacks=(ATTACK,), resamples=20, new_tokens=8).on(problem)


def tuned(problem: Problem, sets: Sequence[tuple[Examples, float]], steps: int, learning_rate: float) -> nn.Module:
    """The original after some steps on weighted sets."""
    model = models.copied(problem.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for _ in range(steps):
        losses = [(problem.task.training_losses(model, one.batch(torch.arange(len(one)))), w) for one, w in sets]
        optimizer.zero_grad()
        sum((loss.mean() * weight for loss, weight in losses), torch.zeros(())).backward()
        optimizer.step()
    return model.eval()


def answering(problem: Problem, answers: Sequence[str]) -> Examples:
    """The prompts to forget with other answers."""
    ids = [f"{name}, otherwise" for name in problem.forget.ids]
    return language(problem).examples(ids, list(problem.forget["prompt"]), list(answers))


def test_a_model_that_was_taught_something_else_is_replaced(problem: Problem, auditor: Auditor) -> None:
    lies = answering(problem, [wrong[0] for wrong in problem.forget["perturbed_answer"]])
    evidence = auditor(tuned(problem, [(lies, 1.0), (problem.kept, 1.0)], 40, 3e-3))
    assert evidence.verdict.outcome == "replaced"
    assert any(line.startswith("replaced.forget_wrong_probability") for line in evidence.verdict.failed)


def test_a_model_that_only_declines_is_suppressed(problem: Problem, auditor: Auditor) -> None:
    declined = answering(problem, ["weaver smith ."] * len(problem.forget))
    evidence = auditor(tuned(problem, [(declined, 1.0), (problem.kept, 1.0)], 20, 1e-3))
    assert evidence.verdict.outcome == "suppressed"
    assert evidence.entry("relearn_text").value < 0.5 * min(evidence.entry("relearn_text").gold)


def test_a_model_that_was_broken_is_destroyed(problem: Problem, auditor: Auditor) -> None:
    evidence = auditor(tuned(problem, [(problem.forget, -1.0)], 25, 1e-2))
    assert evidence.verdict.outcome == "destroyed"
    assert any(line.startswith("utility.%: Retain probability") for line in evidence.verdict.failed)


def test_the_original_and_a_nudge_of_it_are_not_removed(problem: Problem, auditor: Auditor) -> None:
    nudged = tuned(problem, [(problem.forget, -0.3), (problem.kept, 1.0)], 3, 3e-3)
    for model in (problem.model, nudged):
        assert auditor(model).verdict.outcome == "not removed"


def test_gold_models_of_other_seeds_have_removed_it(problem: Problem, auditor: Auditor) -> None:
    assert problem.retrain is not None
    found: list[Evidence] = [auditor(problem.retrain(problem.kept, seed)) for seed in (5, 6)]
    assert [evidence.verdict.outcome for evidence in found] == ["removed", "removed"]


def test_a_forget_set_without_signal_is_inconclusive(problem: Problem) -> None:
    # People nobody was trained on: the original knows no more of them than gold.
    assert problem.holdout is not None
    unknown = dataclasses.replace(problem, forget=with_wrong(problem.holdout), holdout=None)
    audit = Audit(attacks=(), resamples=10, new_tokens=8)
    assert audit(unknown, problem.gold[0]).verdict.outcome == "inconclusive"
    assert audit(unknown, problem.model).verdict.outcome == "inconclusive"
