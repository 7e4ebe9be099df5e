"""Opt-Out, card 057: NPO of one number a batch, fixed companions, and a distance between distributions of weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lethe import losses
from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.feeds import draw as drawn
from lethe.methods.descent.npo import NPO
from lethe.methods.descent.opt_out import OptOut
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA
from lethe.steps import Alternating, Plain
from tests.domains import Domains, known, uneven


@pytest.fixture(scope="module")
def problem() -> Problem:
    """The domain to keep is split: twelve facts are neighbours, four stand for world knowledge."""
    made = Domains().problem(gold=())
    kinds = np.array(["neighbour"] * 12 + ["world"] * 4, dtype=object)
    return Problem(made.model, made.task, made.forget, made.kept.with_column("kind", kinds))


def terms_at(problem: Problem, method: OptOut, model: torch.nn.Module, rows: int = 8):
    where = torch.arange(rows)
    return method.objective(problem, Run())(model, drawn(problem, (where, where), 0, 0, torch.device("cpu")))


def shifted(problem: Problem, by: float) -> torch.nn.Module:
    model = copied(problem.model)
    with torch.no_grad():
        model.lm_head.weight += by * torch.randn(model.lm_head.weight.shape, generator=torch.Generator().manual_seed(0))
    return model


def test_at_the_original_the_forget_term_is_two_log_two_over_beta_and_the_distance_nothing(problem):
    named = terms_at(problem, OptOut(beta=0.1), problem.model)
    assert float(named["forget"].detach()) == pytest.approx(20 * math.log(2), rel=1e-5)
    assert float(named["transport"].detach()) == 0.0
    gradients = torch.autograd.grad(named["transport"], list(problem.model.parameters()), allow_unused=True)
    assert all(g is None or not bool(g.any()) for g in gradients)


def test_the_forget_term_is_npo_of_the_mean_over_the_batchs_tokens(problem):
    ragged = uneven(problem)
    model, batch = shifted(ragged, 0.3), ragged.forget.batch(torch.arange(3))
    named = terms_at(ragged, OptOut(beta=0.5, world_column=""), model, rows=3)
    with torch.no_grad():
        now, before = (
            torch.nn.functional.cross_entropy(ragged.task.outputs(m, batch), ragged.task.targets(batch)).double()
            for m in (model, ragged.model)
        )
    expected = -(2 / 0.5) * math.log(1 / (1 + math.exp(-0.5 * float(now - before))))
    assert abs(float(now - before)) > 0.05
    assert float(named["forget"].detach()) == pytest.approx(expected, rel=1e-5)


def test_the_retain_term_is_the_loss_of_neighbours_plus_the_loss_of_the_world(problem):
    method = OptOut(world_column="kind", transport_weight=0.0)
    rows = torch.tensor([0, 3, 12, 5, 15, 14])
    with torch.no_grad():
        named = method.objective(problem, Run())(
            problem.model, drawn(problem, (torch.arange(3), rows), 0, 0, torch.device("cpu"))
        )
        wanted = sum(
            problem.task.training_losses(problem.model, problem.kept.batch(torch.tensor(some))).mean()
            for some in ([0, 3, 5], [12, 15, 14])
        )
    assert float(named["retain"]) == pytest.approx(float(wanted), rel=1e-5)


def test_each_batch_stands_beside_as_many_of_each_kind_the_same_ones_in_every_epoch(problem):
    few = Problem(problem.model, problem.task, problem.forget.take(range(3)), problem.kept)
    method = OptOut(world_column="kind", batch_size=2, epochs=2)
    epochs = [method.plan(few, Run(), epoch) for epoch in range(2)]
    for plan in epochs:
        for forget, retain in plan:
            assert int((retain < 12).sum()) == int((retain >= 12).sum()) == len(forget)
    used = [set(torch.cat([retain for _, retain in plan]).tolist()) for plan in epochs]
    assert used[0] == used[1]
    assert len(used[0]) == 6  # |x_f| of each kind


def test_a_marker_that_tells_nothing_apart_is_refused(problem):
    with pytest.raises(ConfigurationError, match="marks 0 of 16 retain examples"):
        unlearn(problem, OptOut(world_column="kind", world_value="town"))
    with pytest.raises(ConfigurationError, match="no column 'sort'"):
        unlearn(problem, OptOut(world_column="sort"))
    with pytest.raises(ConfigurationError, match="the scope moves none of them"):
        unlearn(problem, OptOut(scope=LoRA(rank=2)))


def test_the_distance_sums_over_all_tensors_along_new_directions_at_each_step(problem):
    method, model = OptOut(transport_weight=2.0, projections=5), shifted(problem, 0.1)
    found = [float(method.transport(model, problem.model, step, Run()).detach()) for step in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    name, run = "lm_head.weight", Run()
    directions = losses.unit_directions(32, 5, run.generator("directions", 0, name))
    alone = losses.sliced_wasserstein(problem.model.lm_head.weight, model.lm_head.weight, directions)
    assert found[0] == pytest.approx(float(alone.detach()), rel=1e-5)  # no other tensor has moved
    named = terms_at(problem, method, model)
    assert float(named["transport"].detach()) == pytest.approx(2 * found[0], rel=1e-5)


def test_the_schedule_is_that_of_three_epochs_of_which_two_are_run():
    method = OptOut()
    assert [round(method.rate(step, 20), 6) for step in (0, 10, 19)] == [
        1.0,
        round(1 - 10 / 30, 6),
        round(1 - 19 / 30, 6),
    ]


OPTIONS = {
    "epochs": 20, "schedule_epochs": 20, "batch_size": 8, "learning_rate": 4e-3, "world_column": "kind",
    "projections": 10, "step": Plain(),
}  # fmt: skip


def test_neighbours_stay_and_the_distance_is_smaller_where_it_counts(problem):
    methods = (
        OptOut(**OPTIONS, transport_weight=1.0),
        OptOut(**OPTIONS, transport_weight=0.0),
        NPO(retain="none", epochs=20, batch_size=8, learning_rate=4e-3, warmup_epochs=0.0),
    )
    models, neighbours = [unlearn(problem, method).model for method in methods], problem.kept.take(range(12))
    before = probability(problem, problem.model, problem.forget)
    assert max(probability(problem, model, problem.forget) for model in models) <= 0.2 * before
    accuracy = [known(problem, model, neighbours) for model in models]
    likely = [probability(problem, model, neighbours) for model in models]
    assert accuracy[0] >= accuracy[1] >= accuracy[2] + 0.1
    assert likely[0] > likely[1] > likely[2] + 0.1
    moved = [float(OptOut().transport(model, problem.model, 0, Run()).detach()) for model in models]
    assert moved[0] < 0.8 * moved[1]


def probability(problem: Problem, model: torch.nn.Module, examples) -> float:
    """Mean over examples of the probability of the first answer token."""
    batch = examples.batch(torch.arange(len(examples)))
    with torch.no_grad():
        losses_of = problem.task.token_losses_from(problem.task.outputs(model, batch), batch)
    first = torch.cat([torch.ones(1, dtype=torch.bool), problem.task.rows(batch).diff() != 0])
    return float(losses_of[first].neg().exp().mean())


def test_two_updates_a_batch_and_one_end_elsewhere(problem):
    options = {**OPTIONS, "epochs": 1, "schedule_epochs": 3}
    both = [unlearn(problem, OptOut(**{**options, "step": step})).model for step in (Alternating(), Plain())]
    assert not torch.equal(both[0].lm_head.weight, both[1].lm_head.weight)
