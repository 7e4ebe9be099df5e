"""ZJUKLAB: the loss at the start, the merge by hand, and a merged model between the two it is made of."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from lethe import adapters
from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.examples import Batch
from lethe.feeds import Draw
from lethe.methods.descent.zjuklab import BalancedNPO, Zjuklab
from lethe.methods.edits.ties import ties
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM
from lethe.testing.language import tiny_language_problem

QUICK = Zjuklab(epochs=8, learning_rate=2e-2, warmup_epochs=0.0, rank=4, alpha=4.0, dropout=0.0, accumulation=2)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return tiny_language_problem()


def whole(problem: Problem, examples: object) -> Batch:
    batch = examples.batch(torch.arange(len(examples)))  # type: ignore[attr-defined,arg-type]
    return problem.task.prepare(batch)


def draw(problem: Problem) -> Draw:
    return Draw(forget=whole(problem, problem.forget), retain=whole(problem, problem.kept), step=0, epoch=0)


def test_at_the_original_npo_is_its_constant_and_nothing_has_diverged(problem: Problem) -> None:
    only = BalancedNPO(npo_weight=1.0, kl_weight=1.0, nll_weight=0.0, together_forward=2)
    with torch.no_grad():
        terms = only.objective(problem, Run())(problem.model, draw(problem))
    assert float(terms["forget"]) == pytest.approx(2 / 0.1 * math.log(2), rel=1e-5)
    assert float(terms["retain"].abs().max()) < 1e-5


def test_the_loss_of_a_group_is_one_mean_over_its_tokens(problem: Problem) -> None:
    task, reference = problem.task, tiny_language_problem().model
    assert isinstance(task, CausalLM)
    moved = tiny_language_problem().model
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(0.05)
    batch = draw(problem).forget
    assert batch is not None
    with torch.no_grad():
        now, before, n = task.log_probs(moved, batch), task.log_probs(reference, batch), task.answer_lengths(batch)
    expected = 0.0
    for first in range(0, len(batch), 2):
        pair = slice(first, first + 2)
        gap = float((before[pair].sum() - now[pair].sum()) / n[pair].sum())  # ℓ(θ) - ℓ(θ_0)
        expected += -2 / 0.1 * math.log(1 / (1 + math.exp(-0.1 * gap))) / 2
    only = BalancedNPO(npo_weight=1.0, together_forward=2)
    with torch.no_grad():
        value = only.objective(problem, Run())(moved, draw(problem))["forget"]
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_factors_are_merged_apart_with_the_root_of_the_scale(problem: Problem) -> None:
    models = [
        d.unlearn(problem, Run().part(name)) for name, d in replace(QUICK, epochs=1, alpha=8.0).descents().items()
    ]
    found = [{n: adapters.factors(layer) for n, layer in adapters.adapted_layers(m).items()} for m in models]
    name = next(iter(found[0]))
    (a1, b1, scale), (a2, b2, _) = found[0][name], found[1][name]
    assert scale == 2
    weight = problem.model.get_parameter(f"{name}.weight")
    apart = QUICK.merged(problem.model, found).get_parameter(f"{name}.weight")
    expected = weight + 2 * ties([b1, b2], 0.8) @ ties([a1, a2], 0.8)
    assert torch.allclose(apart, expected, atol=1e-6)
    products = replace(QUICK, merge_space="delta").merged(problem.model, found).get_parameter(f"{name}.weight")
    assert torch.allclose(products, weight + ties([2 * b1 @ a1, 2 * b2 @ a2], 0.8), atol=1e-6)
    assert not torch.allclose(products, apart, atol=1e-6)


def test_the_merged_model_lies_between_the_two_and_is_better_than_the_worse(problem: Problem) -> None:
    task = problem.task
    assert isinstance(task, CausalLM)

    def losses(model: torch.nn.Module) -> tuple[float, float]:
        with torch.no_grad():
            sets = (problem.forget, problem.kept)
            forget, kept = (float(task.losses(model, whole(problem, some)).mean()) for some in sets)
        return forget, kept

    before, merged = losses(problem.model), losses(unlearn(problem, QUICK).model)
    parts = [losses(d.unlearn(problem, Run()).eval()) for d in QUICK.descents().values()]
    over, under = parts
    assert over[0] > merged[0] > under[0] > before[0]  # the merged model forgets more than one, less than the other
    assert over[1] > merged[1] > under[1] > before[1]  # and so with what it loses

    def aggregate(forget: float, kept: float) -> float:
        """The harmonic mean of what is forgotten and what is kept, as probabilities."""
        return 2 / (1 / (1 - math.exp(-forget)) + 1 / math.exp(-kept))

    assert aggregate(*merged) >= min(aggregate(*over), aggregate(*under)) + 0.05


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="density"):
        replace(QUICK, density=2.0).check()
    with pytest.raises(ConfigurationError, match="beta must be positive"):
        replace(QUICK, beta=0.0).check()
