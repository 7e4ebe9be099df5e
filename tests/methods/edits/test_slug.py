from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe import unlearn
from lethe.errors import ConfigurationError, LetheWarning
from lethe.examples import Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.edits.pareto import LayerScore, pareto_front, scored, weight_matrices
from lethe.methods.edits.slug import SLUG
from lethe.models import same_weights
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Layers
from lethe.state_arithmetic import difference, weights
from lethe.worlds.cifar10 import Cifar10, data_folder
from lethe.worlds.digits import Digits
from tests.helpers import accuracies, gap_to_gold, tiny_problem


def moved(problem: Problem, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """By name, what was added to the parameters that changed."""
    return {name: value for name, value in difference(model, problem.model).items() if bool(value.any())}


def forget_gradient(problem: Problem, examples: Examples, size: int) -> dict[str, torch.Tensor]:
    """The mean over batches of the gradient of the mean cross-entropy, by plain autograd."""
    total: dict[str, torch.Tensor] = {}
    parts = torch.arange(len(examples)).split(size)
    for rows in parts:
        loss = problem.task.losses(problem.model, examples.batch(rows)).mean()
        found = torch.autograd.grad(loss, list(problem.model.parameters()))
        for (name, _), gradient in zip(problem.model.named_parameters(), found, strict=True):
            total[name] = total.get(name, 0) + gradient / len(parts)
    return total


@pytest.fixture(scope="module")
def vit() -> Problem:
    return Digits("class", architecture="vit").problem()


@pytest.mark.parametrize("architecture", ["cnn", "vit", "resnet"])
def test_a_class_is_gone_and_the_others_stay_near_gold(architecture):
    problem = Digits("class", architecture=architecture).problem()
    _, retain_before, test_before = accuracies(problem, problem.model)
    model = unlearn(problem, SLUG()).model
    forget, retain, test = accuracies(problem, model)
    assert forget == 0
    assert retain > retain_before - 0.05
    assert test > test_before - 0.05
    assert gap_to_gold(problem, model) < 0.02 < gap_to_gold(problem, unlearn(problem, FineTune(epochs=3)).model)


def test_one_layer_moves_along_the_gradient_that_raises_the_forget_loss(whole_class):
    changed = moved(whole_class, unlearn(whole_class, SLUG(batch_size=32)).model)
    assert len(changed) == 1
    (name, step), gradient = next(iter(changed.items())), forget_gradient(whole_class, whole_class.forget, 32)
    cosine = torch.dot(step.double().flatten(), gradient[name].double().flatten()) / step.norm() / gradient[name].norm()
    assert float(cosine) == pytest.approx(1.0, abs=1e-6)
    small = unlearn(whole_class, SLUG(layers=(name,), ratio=1e-3)).model
    rows = whole_class.forget.batch(torch.arange(len(whole_class.forget)))
    assert whole_class.task.losses(small, rows).mean() > whole_class.task.losses(whole_class.model, rows).mean()


def test_two_passes_of_gradients_and_no_step(whole_class):
    run = Run()
    unlearn(whole_class, SLUG(ratio=0.1, choice="deepest", layers=("head.*",)), run=run)
    # Both sets backwards once, and the forget set forwards once to see what the step does.
    assert run.cost.examples == 2 * len(whole_class.forget) + len(whole_class.retain)
    assert run.cost.steps == 0


def test_a_layer_off_the_front_with_its_own_search_loses_more(vit):
    model = unlearn(vit, SLUG()).model
    names = weight_matrices(vit.model)
    forget, retain = (forget_gradient(vit, examples, 16) for examples in (vit.forget, vit.retain))
    scores = scored(names, weights(vit.model), forget, retain)
    front = pareto_front(scores)
    assert next(iter(moved(vit, model))) in front
    # Some of them cannot erase the class at all.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LetheWarning)
        beaten = sorted((name for name in names if name not in front), key=lambda name: -scores[name].alignment)
        others = [unlearn(vit, SLUG(layers=(name,), evaluations=8)).model for name in beaten[:5]]
    kept = [accuracies(vit, other)[1] for other in others if accuracies(vit, other)[0] < 0.01]
    assert len(kept) >= 2
    assert np.mean(kept) < accuracies(vit, model)[1] - 0.02


scores = st.builds(LayerScore, st.floats(0, 10), st.floats(0, 1))


@given(st.lists(scores, min_size=1, max_size=8))
def test_the_front_holds_the_most_important_and_the_least_aligned_layer(found):
    named = {str(i): score for i, score in enumerate(found)}
    front = pareto_front(named)
    most, least = max(s.importance for s in found), min(s.alignment for s in found)
    assert any(named[name].importance == most for name in front)
    assert any(named[name].alignment == least for name in front)
    for name, score in named.items():
        beaten = any(o.alignment < score.alignment and o.importance > score.importance for o in found)
        assert (name in front) != beaten


def test_a_step_of_length_zero_returns_the_original_to_the_bit(whole_class):
    assert same_weights(unlearn(whole_class, SLUG(ratio=0.0)).model, whole_class.model)


def test_several_concepts_are_searched_alone_and_their_steps_added():
    world = Digits("class").problem()
    labels = world.retain.tensor("label")
    second = world.retain.take((labels == 7).nonzero().flatten())
    kept = world.retain.take((labels != 7).nonzero().flatten())
    rows = torch.cat([world.forget.tensor("image"), second.tensor("image")])
    both = Examples(
        world.forget.ids + second.ids, {"image": rows, "label": torch.cat([world.forget["label"], second["label"]])}
    )
    problem = dataclasses.replace(world, forget=both, retain=kept, gold=(), retrain=None)
    together = difference(unlearn(problem, SLUG(concept="label")).model, problem.model)
    alone = [
        difference(unlearn(dataclasses.replace(problem, forget=one), SLUG()).model, problem.model)
        for one in (world.forget, second)
    ]
    for name, value in together.items():
        torch.testing.assert_close(value, alone[0][name] + alone[1][name], atol=1e-6, rtol=1e-4)
    forget, retain, _ = accuracies(problem, unlearn(problem, SLUG(concept="label")).model)
    assert forget < 0.02
    assert retain > 0.95


def test_the_scope_says_which_layers_may_be_chosen(whole_class):
    model = unlearn(whole_class, SLUG(scope=Layers(("hidden.*",)))).model
    assert list(moved(whole_class, model)) == ["hidden.weight"]
    with pytest.raises(ConfigurationError, match=r"no weight matrix that .* allows has a forget gradient"):
        unlearn(whole_class, SLUG(scope=Layers(("hidden.bias",))))


def test_a_set_that_no_layer_erases_is_said_and_the_best_returned(mislabelled):
    with pytest.warns(LetheWarning, match=r"by none of \d layers: .*% of it is still told by '.*'; raise evaluations"):
        model = unlearn(mislabelled, SLUG(evaluations=1)).model
    assert not same_weights(model, mislabelled.model)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"evaluations": 0}, "at least 1"),
        ({"erased": 1.0}, "erased in"),
        ({"layers": ("heat.*",)}, r"matches 'heat\.\*'; there are: conv1.weight"),
        ({"concept": "lable"}, "no column 'lable'; did you mean"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(wrong, said):
    with pytest.raises(ConfigurationError, match=said):
        unlearn(tiny_problem() if "layers" not in wrong else Digits("class").problem(), SLUG(**wrong))


@pytest.mark.slow
def test_a_class_goes_from_the_published_resnet_and_the_head_costs_less_than_the_front():
    folder = data_folder()
    if folder is None:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    problem = Cifar10(folder).problem()
    _, retain_before, test_before = accuracies(problem, problem.model)
    forget, front, _ = accuracies(problem, unlearn(problem, SLUG(batch_size=64, validation=300)).model)
    assert forget == 0
    forget, retain, test = accuracies(problem, unlearn(problem, SLUG(batch_size=64, layers=("linear.weight",))).model)
    assert forget == 0
    assert retain > retain_before - 0.06
    assert test > test_before - 0.06
    assert retain > front + 0.1
