from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lethe import unlearn
from lethe.errors import ConfigurationError, InputError, StorageError
from lethe.examples import Batch, Examples
from lethe.measuring import example_losses
from lethe.methods.descent.meta_loss import (
    MetaLoss,
    alignment_loss,
    inner_gradient,
    names_in,
    simulated_requests,
    stepped_logits,
)
from lethe.methods.descent.meta_loss_folder import read_loss, write_loss
from lethe.methods.descent.meta_unlearn import MetaUnlearn
from lethe.models import same_weights
from lethe.problem import Problem
from lethe.run import Run
from lethe.state_arithmetic import difference, moved, weights, with_weights
from lethe.testing.problems import tiny_problem
from tests.helpers import accuracy
from tests.methods.descent.identities import FORGOTTEN, Identities

METHOD = MetaUnlearn(identity="person", learning_rate=1e-3, step_size=0.3, epochs=20)


@pytest.fixture(scope="module")
def world() -> Identities:
    return Identities()


@pytest.fixture(scope="module")
def model(world):
    return world.original()


@pytest.fixture(scope="module")
def learnt(world, model):
    """The loss that was learnt on all training images, and how the outer loss went."""
    return METHOD.learn(model, world.task, world.parts["train"], world.parts["unseen"], Run(), FORGOTTEN)


def gap(world: Identities, one: torch.nn.Module) -> float:
    """How far the mean loss of the people to forget is from that of people never seen."""
    sets = [example_losses(one, world.task, world.parts[name], Run()).mean() for name in ("forget", "unseen")]
    return abs(float(sets[0] - sets[1]))


def right(world: Identities, one: torch.nn.Module, name: str) -> float:
    part = world.parts[name]
    return accuracy(Problem(one, world.task, part), one, part)


def test_the_outer_loss_falls_and_a_loss_that_learnt_nothing_does_worse(world, model, learnt):
    loss, curve = learnt
    assert min(curve[-5:]) < 0.5 * curve[0]
    support = world.parts["support"]
    people = sorted(set(names_in(world.parts["train"], "person")))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        idle = MetaLoss(4, 32, people)
    after, untrained = (METHOD.deployed(model, world.task, one, support, Run()) for one in (loss, idle))
    assert gap(world, after) < gap(world, untrained)


def test_one_image_each_brings_their_others_near_people_never_seen(world, model, learnt):
    after = METHOD.deployed(model, world.task, learnt[0], world.parts["support"], Run())
    before = gap(world, model)
    assert gap(world, after) < 0.7 * before
    assert right(world, after, "test") > right(world, model, "test") - 0.03
    assert right(world, after, "retain") > right(world, model, "retain") - 0.08
    support = world.parts["support"]
    gradient = torch.autograd.grad(
        world.task.losses(model, support.batch(torch.arange(len(support)))).mean(), list(model.parameters())
    )
    length = sum(float(v.square().sum()) for v in difference(after, model).values()) ** 0.5
    size = sum(float(g.square().sum()) for g in gradient) ** 0.5
    named = {name: g for (name, _), g in zip(model.named_parameters(), gradient, strict=True)}
    ascent = with_weights(model, moved(weights(model), named, length / size))
    assert gap(world, ascent) > gap(world, after) or right(world, ascent, "test") < right(world, after, "test") - 0.03


def test_only_the_images_that_are_shown_are_read(world, model, learnt, tmp_path):
    write_loss(learnt[0], tmp_path)
    run = Run()
    problem = Problem(model, world.task, world.parts["support"])  # no retain set, no holdout
    method = dataclasses.replace(METHOD, loss=str(tmp_path))
    after = unlearn(problem, method, run=run).model
    assert run.cost.examples == len(world.parts["support"]) == FORGOTTEN
    assert same_weights(after, METHOD.deployed(model, world.task, learnt[0], world.parts["support"], Run()))
    with pytest.raises(ConfigurationError, match="needs holdout and retain"):
        unlearn(problem, METHOD)


def test_a_step_of_length_zero_is_the_original_to_the_bit(world, model, learnt):
    still = dataclasses.replace(METHOD, step_size=0.0)
    assert same_weights(still.deployed(model, world.task, learnt[0], world.parts["support"], Run()), model)


def test_the_gradient_through_the_inner_step_is_that_of_finite_differences():
    problem = tiny_problem()
    model, task = problem.model.double(), problem.task
    with torch.random.fork_rng():
        torch.manual_seed(0)
        loss = MetaLoss(10, 32, ["0"], width=4, identity_width=2, dropout=0.0).double()
    pixels = problem.kept.tensor("image").double()
    task = dataclasses.replace(task)
    shown, other = (
        Batch(r, {"image": pixels[r], "label": problem.kept["label"][r]}) for r in (torch.arange(3), torch.arange(3, 9))
    )

    class Doubled(type(task)):
        def pixels(self, batch):
            return batch.tensor("image") / 16

    task = Doubled(**{f.name: getattr(task, f.name) for f in dataclasses.fields(task)})

    def outer() -> torch.Tensor:
        gradient = inner_gradient(model, task, loss, shown, ["0"] * 3, differentiable=True)
        trial = {name: value - 0.5 * gradient[name] for name, value in weights(model).items()}
        return F.cross_entropy(stepped_logits(model, task, trial, other), task.labels(other))

    weight = loss.body[0].weight
    (exact,) = torch.autograd.grad(outer(), weight)
    place = divmod(int(exact.abs().argmax()), exact.shape[1])
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[place] += sign * 1e-5
        values.append(float(outer().detach()))
        with torch.no_grad():
            weight[place] -= sign * 1e-5
    assert float(exact[place]) != 0
    assert (values[0] - values[1]) / 2e-5 == pytest.approx(float(exact[place]), rel=1e-4)


def test_the_alignment_is_worked_out_by_hand():
    forget = torch.tensor([[0.0, 0.0], [1.0, 0.0]], requires_grad=True)
    unseen = torch.tensor([[0.0, 3.0], [0.0, 3.0]], requires_grad=True)
    value = alignment_loss(forget, torch.tensor([1, 0]), unseen, torch.tensor([0, 0]))
    first = 0.5 * (0.693147 + 0.313262) / 2  # half are wrong
    second = 3.048587  # all are
    assert float(value.detach()) == pytest.approx(second - first - 0.5, abs=1e-4)  # the straight part of smooth L1
    value.backward()
    assert forget.grad is not None
    assert unseen.grad is None
    plain = alignment_loss(forget, torch.tensor([1, 0]), unseen, torch.tensor([0, 0]), weigh=False)
    assert float(plain.detach()) == pytest.approx(second - 2 * first - 0.5, abs=1e-4)


def test_requests_name_everybody_and_wrap_around():
    people = [f"p{i % 7}" for i in range(21)] + ["alone"]
    made = simulated_requests(people, 3, torch.Generator().manual_seed(0))
    assert [len(one.support) for one in made] == [3, 3, 3]
    named = [people[row] for one in made for row in one.support.tolist()]
    assert set(named) == {f"p{i}" for i in range(7)}
    for one in made:
        assert not set(one.support.tolist()) & set(one.forget.tolist())
        assert {people[r] for r in one.forget.tolist()} == {people[r] for r in one.support.tolist()}
        assert len(one.forget) == 6
    with pytest.raises(InputError, match="no identity has two images"):
        simulated_requests(["a", "b"], 1, torch.Generator())


def test_a_class_can_be_the_identity_and_a_person_nobody_knew_gets_the_mean(world, model, learnt):
    stranger = world.parts["support"].with_column("person", torch.full((FORGOTTEN,), 999))
    after = METHOD.deployed(model, world.task, learnt[0], stranger, Run())
    assert not same_weights(after, METHOD.deployed(model, world.task, learnt[0], world.parts["support"], Run()))


def test_bad_input_gets_one_line(world, model, tmp_path):
    problem = Problem(model, world.task, world.parts["support"], world.parts["retain"], world.parts["unseen"])
    with pytest.raises(InputError, match="no column 'who' that says who is seen"):
        unlearn(problem, MetaUnlearn(identity="who"))
    with pytest.raises(InputError, match=r"holds no meta_loss\.json; learn a loss"):
        unlearn(problem, MetaUnlearn(loss=str(tmp_path)))
    with pytest.raises(ConfigurationError, match="step_size must not be negative"):
        unlearn(problem, MetaUnlearn(step_size=-1.0))


def test_the_written_loss_is_the_learnt_one(learnt, tmp_path):
    write_loss(learnt[0], tmp_path)
    assert same_weights(read_loss(tmp_path), learnt[0])
    assert read_loss(tmp_path).position == learnt[0].position


def test_what_is_learnt_ahead_is_all_that_a_request_needs(world, model, tmp_path):
    quick = MetaUnlearn(learning_rate=1e-3, step_size=0.3, epochs=1, width=16, identity_width=4)
    parts = {
        name: part.with_column("identity", np.array([f"p{who}" for who in part["person"].tolist()], dtype=object))
        for name, part in world.parts.items()
    }
    train = Problem(model, world.task, parts["support"].take([]), parts["train"], parts["unseen"])
    ready = quick.ahead(train, Run(), tmp_path, FORGOTTEN)
    # Without a word of it, people are told apart by the column `identity`, not by the label.
    assert set(read_loss(tmp_path).position) == set(parts["train"]["identity"])
    run = Run()
    after = unlearn(Problem(model, world.task, parts["support"]), ready, run=run).model
    assert run.cost.examples == FORGOTTEN
    again, idle = quick.ahead(train, Run(), tmp_path, FORGOTTEN), Run()
    assert again == ready
    quick.ahead(train, idle, tmp_path, FORGOTTEN)
    assert idle.cost.steps == 0
    assert not same_weights(after, model)
    with pytest.raises(StorageError, match="another configuration"):
        quick.ahead(train, Run(seed=1), tmp_path, FORGOTTEN)


def test_examples_of_a_text_column_are_people_too():
    some = Examples.of(name=np.array(["Ada", "Bo"], dtype=object))
    assert names_in(some, "name") == ["Ada", "Bo"]
