"""Unlearning for regression: nearer to retraining than fine-tuning, on real patients and on a real series."""

from __future__ import annotations

import dataclasses
import gzip
import os
from pathlib import Path

import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor, nn

from lethe.api import unlearn
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.feeds import draw
from lethe.measuring import example_losses, example_outputs
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.blindspot import Blindspot, attended, attention
from lethe.methods.descent.gaussian_amnesiac import GaussianAmnesiac, drawn_targets
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification, Regression
from lethe.worlds.base import Training, fit
from lethe.worlds.diabetes import Diabetes, SmallRegressor, windows

BLINDSPOT = Blindspot(epochs=5, batch_size=32, teacher_epochs=10)
FINETUNE = FineTune(epochs=1, learning_rate=1e-3, optimizer="adam", batch_size=32, weight_decay=0.0)
AMNESIAC = GaussianAmnesiac(epochs=1, batch_size=32)


@pytest.fixture(scope="module")
def patients() -> Problem:
    return Diabetes().problem()


def error(model: nn.Module, problem: Problem, examples: Examples) -> float:
    return float(example_losses(model, problem.task, examples, Run()).mean())


def unseen(problem: Problem, forgotten: bool) -> Examples:
    assert problem.holdout is not None
    fast = problem.holdout.tensor("target") > 2.0
    return problem.holdout.take((fast == forgotten).nonzero().flatten())


def said(model: nn.Module, problem: Problem) -> Tensor:
    return example_outputs(model, problem.task, problem.forget, Run())


def test_blindspot_ends_near_gold_where_fine_tuning_does_not(patients: Problem) -> None:
    gone = unseen(patients, forgotten=True)
    gold = sum(error(model, patients, gone) for model in patients.gold) / len(patients.gold)
    model = unlearn(patients, BLINDSPOT).model
    tuned = unlearn(patients, FINETUNE).model
    assert abs(error(model, patients, gone) - gold) < 0.5 * abs(error(tuned, patients, gone) - gold)
    for kept in (patients.kept, unseen(patients, forgotten=False)):
        assert error(model, patients, kept) < 1.15 * error(patients.model, patients, kept)


def test_errors_rise_from_the_original_over_fine_tuning_to_both_methods(patients: Problem) -> None:
    """The source has the amnesiac below Blindspot on faces; on these few patients it is the other way round."""
    original, tuned = error(patients.model, patients, patients.forget), unlearn(patients, FINETUNE).model
    methods = [error(unlearn(patients, method).model, patients, patients.forget) for method in (AMNESIAC, BLINDSPOT)]
    gold = max(error(model, patients, patients.forget) for model in patients.gold)
    assert original < error(tuned, patients, patients.forget) < min(methods)
    assert max(methods) < gold


def test_predictions_come_nearer_to_those_of_gold(patients: Problem) -> None:
    gold = said(patients.gold[0], patients)
    model = unlearn(patients, BLINDSPOT).model
    assert wasserstein_distance(said(model, patients), gold) < 0.5 * wasserstein_distance(
        said(patients.model, patients), gold
    )


def test_without_attention_a_forget_batch_is_the_loss_to_the_teacher_and_a_retain_batch_the_training_loss(
    patients: Problem,
) -> None:
    method, run, device = dataclasses.replace(BLINDSPOT, beta=0.0), Run(), torch.device("cpu")
    terms = method.objective(patients, run)
    teacher = method._teacher(patients, Run())
    rows = torch.arange(7)
    forget = terms(patients.model, draw(patients, (rows, None), 0, 0, device))
    expected = (said(patients.model, patients) - said(teacher, patients))[rows].square()
    torch.testing.assert_close(forget["forget"], expected)
    assert forget.keys() == {"forget"}
    retain = terms(patients.model, draw(patients, (None, rows), 0, 0, device))
    assert retain.keys() == {"retain"}
    torch.testing.assert_close(
        retain["retain"].detach(), example_losses(patients.model, patients.task, patients.kept.take(rows), run)
    )


def test_the_attention_term_is_that_of_the_formula(patients: Problem) -> None:
    a = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    by_hand = torch.stack(
        [torch.stack([sum(a[i, c, p] ** 2 for c in range(4)) / 4 for p in range(5)]) for i in range(3)]
    )
    torch.testing.assert_close(attention(a), by_hand / by_hand.norm(dim=1, keepdim=True))
    assert attended(patients, ()) == ["conv"]
    with pytest.raises(ConfigurationError, match="no layer with positions matches 'hidden'"):
        attended(patients, ("hidden",))


def test_drawn_targets_have_the_moments_of_all_and_retain_targets_stay(patients: Problem) -> None:
    task = patients.task
    assert isinstance(task, Regression)
    many = dataclasses.replace(patients, forget=patients.forget.take(torch.zeros(1, dtype=torch.long)))
    drawn = torch.cat([drawn_targets(many, task, Run(seed=seed)) for seed in range(4000)])
    pair = torch.cat([many.forget.tensor("target"), many.kept.tensor("target")])
    assert float(drawn.mean()) == pytest.approx(float(pair.mean()), abs=0.04)
    assert float(drawn.std()) == pytest.approx(float(pair.std()), abs=0.03)
    assert drawn_targets(patients, task, Run()).equal(drawn_targets(patients, task, Run()))


def test_bad_targets_and_other_tasks_are_refused(patients: Problem) -> None:
    target = patients.forget.tensor("target").clone()
    target[3] = float("nan")
    broken = dataclasses.replace(patients, forget=patients.forget.with_column("target", target))
    with pytest.raises(InputError, match=f"'{patients.forget.ids[3]}' has a NaN or an infinity in 'target'"):
        unlearn(broken, AMNESIAC)
    with pytest.raises(ConfigurationError, match="Regression"):
        unlearn(dataclasses.replace(patients, task=Classification(classes=2, label="target")), BLINDSPOT)


@pytest.mark.slow
def test_a_warm_decade_is_forgotten_of_a_real_series() -> None:
    """Temperatures of ten years: of windows before days above 17 degrees nothing is to remain."""
    folder = os.environ.get("LETHE_DATA")
    if not folder:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    found = next(Path(folder, "tabular").glob("daily-min-temperatures*"))
    text = gzip.decompress(found.read_bytes()).decode() if found.suffix == ".gz" else found.read_text()
    values = torch.tensor([float(line.split(",")[1].strip('"?')) for line in text.splitlines()[1:]])
    everything = windows((values - values.mean()) / values.std(), 14)
    warm = everything.tensor("target") > (17 - values.mean()) / values.std()
    holdout = torch.arange(len(everything)) >= 3000
    task, recipe = Regression(), Training(epochs=20, batch_size=64)

    def part(chosen: Tensor) -> Examples:
        return everything.take(chosen.nonzero().flatten())

    def trained(examples: Examples, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = SmallRegressor(inputs=14)
        return fit(network, task, examples, recipe, seed).eval()

    forget, retain = part(warm & ~holdout), part(~warm & ~holdout)
    problem = Problem(
        model=trained(part(~holdout), 0), task=task, forget=forget, retain=retain, holdout=part(holdout),
        gold=(trained(retain, 1),),
    )  # fmt: skip
    gold = error(problem.gold[0], problem, forget)
    model = unlearn(problem, BLINDSPOT).model
    assert error(problem.model, problem, forget) < error(model, problem, forget)
    assert abs(error(model, problem, forget) - gold) < 0.5 * abs(error(problem.model, problem, forget) - gold)
    assert error(model, problem, retain) < 1.15 * error(problem.model, problem, retain)
