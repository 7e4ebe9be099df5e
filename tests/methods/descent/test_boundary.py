"""Boundary unlearning hands a class to its neighbours, from the forget set alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional as F

from lethe.api import unlearn
from lethe.descent import Descent
from lethe.errors import ConfigurationError
from lethe.measuring import example_outputs
from lethe.methods.baselines.random_labels import random_labels
from lethe.methods.descent.boundary import BoundaryExpanding, BoundaryShrink, ForgetOnly, hesitation_weights
from lethe.methods.descent.curvature import input_curvature
from lethe.methods.descent.shadow_class import with_shadow_class, without_shadow_class
from lethe.models import same_weights
from lethe.run import Keep, Run
from lethe.worlds.digits import Digits, network
from tests.helpers import accuracies, tiny_problem

RATE = 1e-3


def without_retain(problem):
    return dataclasses.replace(problem, retain=None, retrain=None, gold=())


@dataclass(frozen=True, kw_only=True)
class RandomNeighbours(ForgetOnly):
    """The control: the same steps towards labels drawn at random."""

    def objective(self, problem, run):
        labels = random_labels(problem.forget.tensor("label"), 10, True, run.generator("labels"))

        def terms(model, draw) -> Mapping[str, torch.Tensor]:
            outputs = problem.task.outputs(model, draw.forget)
            return {"forget": F.cross_entropy(outputs, labels[draw.forget.rows], reduction="none")}

        return terms


def histogram(problem, model):
    predicted = example_outputs(model, problem.task, problem.forget, Run()).argmax(1)
    return torch.bincount(predicted, minlength=10) / len(predicted)


def overlap_with_gold(problem, model):
    gold = torch.stack([histogram(problem, gold) for gold in problem.gold]).mean(0)
    return float(torch.minimum(gold, histogram(problem, model)).sum())


def test_shrink_forgets_the_class_keeps_the_others_and_sends_it_where_retraining_would(whole_class):
    test_before = accuracies(whole_class, whole_class.model)[2]
    shrunk = unlearn(without_retain(whole_class), BoundaryShrink(learning_rate=RATE)).model
    forget, retain, test = accuracies(whole_class, shrunk)
    assert forget < 0.15
    assert test > test_before - 0.05
    at_random = unlearn(without_retain(whole_class), RandomNeighbours(learning_rate=RATE)).model
    assert overlap_with_gold(whole_class, shrunk) > overlap_with_gold(whole_class, at_random) + 0.1
    assert retain > accuracies(whole_class, at_random)[1] + 0.01


def test_shrink_towards_the_original_prediction_forgets_nothing(whole_class):
    # Without an attack the nearest class is the image's own: the release's rule then trains on the true labels.
    idle = BoundaryShrink(learning_rate=RATE, epsilon=0.0, exclude_true=False)
    assert accuracies(whole_class, unlearn(whole_class, idle).model)[0] > 0.99


def test_shrink_with_all_add_ons_forgets_too(whole_class):
    enhanced = BoundaryShrink(learning_rate=RATE, attack="pgd", curvature=0.7, reweight=True)
    forget, _, test = accuracies(whole_class, unlearn(without_retain(whole_class), enhanced).model)
    assert forget < 0.15
    assert test > accuracies(whole_class, whole_class.model)[2] - 0.05


def test_the_curvature_term_holds_the_curvature_where_it_was(whole_class):
    rows = whole_class.forget.batch(torch.arange(64))

    def change(weight):
        method = BoundaryShrink(learning_rate=RATE, epochs=4, curvature=weight)
        model = unlearn(without_retain(whole_class), method).model
        before, after = (input_curvature(m, whole_class.task, rows, 0.9) for m in (whole_class.model, model))
        # The median: one image of the original's own boundary has a curvature above that of all others together.
        return (after - before).detach().abs().median()

    assert change(300.0) < 0.5 * change(0.0)


def test_curvature_is_the_difference_of_two_input_gradients():
    problem = tiny_problem()
    batch = problem.forget.batch(torch.arange(5))

    def slope(x):
        x = x.clone().requires_grad_(True)
        loss = F.cross_entropy(problem.model(x), problem.task.labels(batch), reduction="sum")
        return torch.autograd.grad(loss, x)[0]

    x = batch.tensor("input")
    sign = slope(x).sign()
    shift = 0.9 * sign / sign.norm(dim=1, keepdim=True)
    expected = (slope(x + shift) - slope(x)).norm(dim=1)
    torch.testing.assert_close(input_curvature(problem.model, problem.task, batch, 0.9), expected)


def test_examples_carried_far_across_the_boundary_count_less():
    near, far = torch.tensor([[0.0, 0.1, 0.0]]), torch.tensor([[0.0, 9.0, 0.0]])
    weights = hesitation_weights(torch.cat([near, far]), torch.tensor([1, 1]))
    assert weights[0] > 10 * weights[1]
    tie = hesitation_weights(torch.tensor([[50.0, 50.0]]), torch.tensor([0]))
    torch.testing.assert_close(tie, 3 * torch.sigmoid(torch.tensor([-2.5])))


@pytest.mark.parametrize("architecture", ["cnn", "vit", "resnet"])
def test_a_shadow_class_changes_no_other_logit_and_leaves_no_trace(architecture):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = network(architecture).eval()
    task, examples = Digits().task, Digits().problem(gold=()).forget.take(range(8))
    expanded = with_shadow_class(model, task, torch.Generator().manual_seed(0)).eval()
    before, after = (example_outputs(m, task, examples, Run()) for m in (model, expanded))
    assert after.shape == (8, 11)
    assert torch.equal(after[:, :10], before)
    assert same_weights(without_shadow_class(expanded, model), model)


def test_expanding_sends_the_class_to_the_shadow_and_cuts_it_off(whole_class):
    method, problem = BoundaryExpanding(learning_rate=RATE), without_retain(whole_class)
    wide_task = dataclasses.replace(problem.task, classes=11)
    expanded = with_shadow_class(problem.model, problem.task, torch.Generator().manual_seed(0))
    wide = Descent.unlearn(method, dataclasses.replace(problem, model=expanded, task=wide_task), Run())
    in_shadow = example_outputs(wide, problem.task, problem.forget, Run()).argmax(1) == 10
    assert float(in_shadow.float().mean()) >= 0.9
    model = unlearn(problem, method).model
    assert example_outputs(model, problem.task, problem.forget, Run()).shape[1] == 10
    forget, _, test = accuracies(whole_class, model)
    assert forget < 0.15
    assert test > accuracies(whole_class, whole_class.model)[2] - 0.05


def test_expanding_cannot_keep_a_state_it_cannot_show():
    with pytest.raises(ConfigurationError, match="one class too many"):
        unlearn(tiny_problem(), BoundaryExpanding(), keep=Keep("forget_accuracy", -1))


@pytest.mark.parametrize("wrong", [{"epsilon": -0.1}, {"curvature": -1.0}, {"curvature_length": 0.0}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        unlearn(tiny_problem(), BoundaryShrink(**wrong))
