"""L-CODEC takes Newton steps that delete single examples, on the slices that matter and on no others."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.api import unlearn
from lethe.errors import ConfigurationError, Diverged, InputError, LetheWarning
from lethe.examples import Batch, Examples, concatenate
from lethe.measuring import example_losses
from lethe.methods.edits.lcodec import LCodec
from lethe.methods.edits.snapshots import Snapshot, after_a_step, read_snapshots, save_snapshots
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LastLayers
from lethe.scopes.slices import Slices
from lethe.tasks import Classification
from lethe.testing import tiny_problem
from tests.helpers import accuracies

QUICK = LCodec(perturbations=60, tolerance=None)


class Ridge(Classification):
    """Squared distance to the one-hot label: ridge regression, where the network is linear."""

    def losses_from(self, outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs - F.one_hot(self.labels(batch), self.classes)).square().sum(1)


def solved(x: Tensor, y: Tensor, total_ridge: float) -> Tensor:
    """The minimum of Σ ‖W x - y‖² + (total/2) ‖W‖²."""
    system = x.t() @ x + total_ridge / 2 * torch.eye(x.shape[1], dtype=torch.float64)
    return torch.linalg.solve(system, x.t() @ F.one_hot(y, 3).double()).t()


def ridge_problem(damping: float) -> tuple[Problem, Tensor]:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(80, 5, generator=random, dtype=torch.float64)
    y = torch.randint(0, 3, (80,), generator=random)
    model = nn.Linear(5, 3, bias=False)
    model.weight.data.copy_(solved(x, y, 79 * damping))
    examples = Examples.of(input=x.float(), label=y)
    problem = Problem(model, Ridge(classes=3), examples.take([0]), examples.take(range(1, 80)))
    return problem, solved(x[1:], y[1:], 79 * damping)


def test_with_all_slices_and_exact_curvature_it_is_leave_one_out_retraining():
    """The loss is quadratic, so the Newton step ends at the minimum; a step without a Hessian does not."""
    problem, gold = ridge_problem(0.1)
    method = LCodec(selection="full", curvature="exact", damping=0.1, tolerance=None)
    before, after, crude = (
        float((m.weight.detach().double() - gold).norm())
        for m in (
            problem.model,
            unlearn(problem, method).model,
            unlearn(problem, dataclasses.replace(method, curvature="difference")).model,
        )
    )
    assert after < 0.01 * before
    assert crude > 0.1 * before


def test_a_step_is_that_of_the_formula():
    """With curvature written out as d × d matrices in float64, on the head."""
    problem = tiny_problem()
    problem = dataclasses.replace(problem, forget=problem.forget.take([0]))
    method = dataclasses.replace(QUICK, selection="full", damping=0.05, scope=LastLayers(count=1))
    run, task, n = Run(), problem.task, 1 + len(problem.retain)
    layers = ["head.weight", "head.bias"]

    def flat(values) -> Tensor:
        return torch.cat([values[name].flatten() for name in layers]).double()

    def rank_one(one: Snapshot, other: Snapshot) -> Tensor:
        change = flat(one.gradient) - flat(other.gradient)
        return torch.outer(change, change) / (flat(one.weights) - flat(other.weights)).abs().sum()

    whole = rank_one(*after_a_step(problem.model, task, concatenate(problem.retain, problem.forget), 1e-3, run))
    here, there = after_a_step(problem.model, task, problem.forget, 1e-3, run)
    hessian = (n * whole - rank_one(here, there)) / (n - 1) + 0.05 * torch.eye(len(flat(here.weights)))
    expected = torch.linalg.solve(hessian, flat(here.gradient)) / (n - 1)
    after = dict(unlearn(problem, method).model.named_parameters())
    change = flat({name: value.detach() for name, value in after.items()}) - flat(here.weights)
    torch.testing.assert_close(change, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("curvature", "update"), [("difference", "sekhari"), ("difference", "cr"), ("fisher", "cr"), ("exact", "sekhari")]
)
def test_only_the_chosen_slices_change_and_the_loss_goes_up(curvature, update):
    problem = tiny_problem()
    method = dataclasses.replace(QUICK, curvature=curvature, update=update, damping=0.1)
    one = dataclasses.replace(problem, forget=problem.forget.take([2]))
    chosen = method.selected(one, one.model, 0, Run())
    mask, after = Slices.of(one.model).mask(chosen), unlearn(one, method).model
    assert 0 < len(chosen) < len(Slices.of(one.model).names)
    moved = 0
    for (name, new), old in zip(after.named_parameters(), one.model.parameters(), strict=True):
        flags = mask.allowed.get(name, torch.zeros_like(old, dtype=torch.bool))
        assert torch.equal(new[~flags], old[~flags])
        moved += int((new != old).sum())
    assert moved > 0
    before, now = (float(example_losses(m, one.task, one.forget, Run())) for m in (one.model, after))
    assert now > before


def test_the_users_scope_holds():
    problem = tiny_problem()
    after = unlearn(problem, dataclasses.replace(QUICK, selection="full", damping=1.0, scope=LastLayers(count=1))).model
    changed = {n for (n, new), old in zip(after.named_parameters(), problem.model.parameters(), strict=True)
               if not torch.equal(new, old)}  # fmt: skip
    assert changed == {"head.weight", "head.bias"}


def deletions(problem: Problem, method: LCodec, count: int) -> tuple[float, float]:
    """Mean rise of the deleted example's loss and mean fall of the holdout accuracy, each from the original."""
    run, rise = Run(), []
    moments, allowed, fall = method.moments(problem, run), method.scope.mask(problem, run), []
    before, test = (
        example_losses(problem.model, problem.task, problem.forget, run),
        accuracies(problem, problem.model)[2],
    )
    for row in range(count):
        model = copied(problem.model)
        method.delete(problem, model, row, 1297, moments, allowed, run)
        rise.append(float(example_losses(model, problem.task, problem.forget.take([row]), run) - before[row]))
        fall.append(test - accuracies(problem, model)[2])
    return sum(rise) / count, sum(fall) / count


@pytest.mark.slow
def test_slices_that_matter_forget_more_and_cost_less_than_as_many_at_random(mislabelled):
    """At one damping random slices hardly forget; with a lower one they forget less, and cost more."""
    chosen = deletions(mislabelled, LCodec(perturbations=100), 50)
    same, lower = (
        deletions(mislabelled, LCodec(perturbations=100, selection="random", damping=d), 50) for d in (0.01, 0.001)
    )
    assert chosen[0] > 10 * same[0]
    assert chosen[0] > lower[0]
    assert chosen[1] < lower[1]


def test_a_deletion_that_costs_too_much_is_taken_back():
    problem = tiny_problem()
    with pytest.raises(Diverged, match="taken back"):
        unlearn(problem, dataclasses.replace(QUICK, tolerance=0.0, epsilon=0.1))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        after = unlearn(problem, dataclasses.replace(QUICK, tolerance=0.02, damping=0.02)).model
    assert accuracies(problem, after)[2] > 0.3
    assert any(issubclass(w.category, LetheWarning) and "left in" in str(w.message) for w in seen)


def test_snapshots_of_the_training_stand_for_the_retain_set(tmp_path):
    problem, file = tiny_problem(), tmp_path / "epochs.safetensors"
    pair = after_a_step(problem.model, problem.task, problem.retain, 0.1, Run())
    save_snapshots(file, *pair)
    method = dataclasses.replace(QUICK, snapshots=str(file), training_size=144, damping=0.1)
    assert method.requirements() == frozenset()
    unlearn(dataclasses.replace(problem, retain=None, forget=problem.forget.take([0])), method)
    save_snapshots(file, pair[0], pair[0])
    with pytest.raises(InputError, match="two moments"):
        read_snapshots(file, problem.model)
    with pytest.raises(InputError, match="holds no"):
        read_snapshots(file, nn.Linear(2, 2))


@pytest.mark.parametrize(
    "wrong",
    [{"perturbations": 2}, {"damping": 0.0}, {"noise": 0.0}, {"epsilon": 0.0}, {"delta": 1.0}, {"tolerance": -1.0},
     {"training_size": 1}],
)  # fmt: skip
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        unlearn(tiny_problem(), LCodec(**wrong))


def test_an_exact_hessian_of_many_weights_is_refused(random_subset):
    with pytest.raises(ConfigurationError, match="exact Hessian"):
        unlearn(random_subset, dataclasses.replace(QUICK, selection="full", curvature="exact"))
