"""Matching ends where the targets are, and the targets are near what retrained models put out."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lethe.api import unlearn
from lethe.attribution.datamodels import fitted_scale, regression_effects
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples, concatenate
from lethe.measuring import example_outputs
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.datamodel_matching import DatamodelMatching, OracleMatching
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification
from lethe.testing import tiny_problem


def outputs(problem: Problem, model: nn.Module, examples: Examples) -> torch.Tensor:
    return example_outputs(model, problem.task, examples, Run())


def gold(problem: Problem, examples: Examples) -> torch.Tensor:
    return torch.stack([outputs(problem, model, examples) for model in problem.gold]).mean(0)


def distance(problem: Problem, model: nn.Module, examples: Examples) -> float:
    return float((outputs(problem, model, examples) - gold(problem, examples)).square().mean())


def test_with_the_exact_leave_out_effect_a_linear_model_ends_at_the_retrained_one():
    """Ridge regression on one-hot labels; fine-tuning for as many steps stays more than ten times as far."""
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(60, 5, generator=random), torch.randint(0, 3, (60,), generator=random)

    def solved(rows: slice) -> nn.Module:
        model = nn.Linear(5, 3, bias=False)
        system = x[rows].t() @ x[rows] + torch.eye(5)
        model.weight.data.copy_(torch.linalg.solve(system, x[rows].t() @ F.one_hot(y[rows], 3).float()).t())
        return model

    every, task = Examples.of(input=x, label=y), Classification(classes=3)
    problem = Problem(solved(slice(None)), task, every.take(range(10)), every.take(range(10, 60)))
    retrained = solved(slice(10, None))
    with torch.no_grad():
        effects = dict(zip(every.ids, (problem.model(x) - retrained(x)).unbind(), strict=True))
    method = DatamodelMatching(effects=effects, epochs=400, learning_rate=0.02, decay=0.98)
    matched = unlearn(problem, method).model
    tuned = unlearn(problem, FineTune(epochs=400, batch_size=512, optimizer="adam", learning_rate=0.02)).model
    with torch.no_grad():
        near, far = (float((model(x) - retrained(x)).abs().max()) for model in (matched, tuned))
    assert near < 1e-3
    assert far > 10 * near


def test_the_oracles_are_matched_and_what_is_kept_is_not_hurt():
    problem = tiny_problem()
    matched = unlearn(problem, OracleMatching(epochs=60, batch_size=64, learning_rate=5e-3, decay=1.0)).model
    tuned = unlearn(problem, FineTune(epochs=60, batch_size=64, optimizer="adam", learning_rate=5e-3)).model
    before = distance(problem, problem.model, problem.forget)
    assert distance(problem, matched, problem.forget) < 0.5 * before
    assert distance(problem, tuned, problem.forget) > 0.5 * before
    kept = distance(problem, problem.model, problem.retain)
    assert distance(problem, matched, problem.retain) < 1.1 * kept


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_without_an_effect_the_targets_are_the_originals_and_nothing_moves(loss):
    problem = tiny_problem()
    problem = dataclasses.replace(problem, model=nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval())
    everything = concatenate(problem.forget, problem.retain)
    effects = dict.fromkeys(everything.ids, torch.full((10,), 3.0))
    method = DatamodelMatching(multiplier=0.0, effects=effects, loss=loss, anchor=1.0, optimizer="sgd", momentum=0.0)
    torch.testing.assert_close(
        method.predicted(problem, everything, Run()), outputs(problem, problem.model, everything)
    )
    after = unlearn(problem, method).model
    for new, old in zip(after.parameters(), problem.model.parameters(), strict=True):
        torch.testing.assert_close(new, old, rtol=0, atol=1e-6)


def test_the_forget_set_stands_several_times_in_an_epoch():
    problem, method = tiny_problem(), OracleMatching(forget_multiplier=3, batch_size=50)
    rows = [forget for forget, _ in method.plan(problem, Run(), 0) if forget is not None]
    counts = torch.cat(rows).bincount()
    assert counts.tolist() == [3] * len(problem.forget)
    assert method.rate(9, 10) == pytest.approx(0.95**4)


def test_regression_finds_additive_effects_and_their_sum():
    random = torch.Generator().manual_seed(0)
    seen = torch.rand(300, 12, generator=random) < 0.5
    effects = torch.randn(12, 4, generator=random)
    removed = torch.arange(12) < 5
    found = regression_effects(seen, seen.float() @ effects + 7.0, removed, 1e-6)
    torch.testing.assert_close(found, effects[:5].sum(0), rtol=1e-3, atol=1e-4)
    assert fitted_scale(torch.zeros(3, 2), torch.rand(3, 2)) == 0.0


def spearman(problem: Problem, method: DatamodelMatching) -> float:
    from scipy.stats import spearmanr

    true = outputs(problem, problem.model, problem.forget) - gold(problem, problem.forget)
    return float(spearmanr(method.added(problem, problem.forget, Run()).flatten(), true.flatten()).statistic)


def test_trak_predicts_what_leaving_the_set_out_does():
    """An attribution that is shuffled over the examples does not; one that is 0 is the original itself."""
    pytest.importorskip("trak")
    problem, method = tiny_problem(), DatamodelMatching(models=6, projection=64)
    effects = method.added(problem, problem.forget, Run())
    before, change = (outputs(problem, problem.model, problem.forget), gold(problem, problem.forget))
    error = float((before - effects - change).square().mean())
    assert error < 0.85 * float((before - change).square().mean())
    assert float((before - effects.roll(1, 0) - change).square().mean()) > 1.2 * error
    assert spearman(problem, method) > 0.3


@pytest.mark.slow
def test_regression_predicts_what_leaving_the_set_out_does():
    assert spearman(tiny_problem(), DatamodelMatching(attribution="datamodels", models=100)) > 0.3


def test_matching_lies_between_the_original_and_the_oracle():
    pytest.importorskip("trak")
    problem = tiny_problem()
    loop = {"epochs": 60, "batch_size": 64, "learning_rate": 5e-3, "decay": 1.0}
    direct, oracle = (
        distance(problem, unlearn(problem, method).model, problem.forget)
        for method in (DatamodelMatching(models=6, projection=64, **loop), OracleMatching(**loop))
    )
    assert oracle < direct < 0.9 * distance(problem, problem.model, problem.forget)


def test_an_attribution_that_misses_an_example_is_refused():
    problem = tiny_problem()
    some = dict.fromkeys(problem.retain.ids, torch.zeros(10))
    with pytest.raises(InputError, match=r"no \[10\] tensor for"):
        unlearn(problem, DatamodelMatching(effects=some))
    with pytest.raises(InputError, match="no retain example"):
        unlearn(problem, DatamodelMatching(effects=dict.fromkeys(problem.forget.ids, torch.zeros(10))))


@pytest.mark.parametrize(
    "wrong",
    [{"models": 1}, {"share": 1.0}, {"ridge": 0.0}, {"projection": 0}, {"retain_multiplier": 0.0},
     {"forget_multiplier": 0}, {"anchor": -1.0}, {"decay": 0.0}],
)  # fmt: skip
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        unlearn(tiny_problem(), DatamodelMatching(**wrong))
    with pytest.raises(ConfigurationError, match="oracles"):
        OracleMatching(oracles=0).check()
