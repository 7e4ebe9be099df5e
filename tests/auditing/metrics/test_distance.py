from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from lethe import models
from lethe.auditing.measure import measure
from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.metric import References, Rows, SetRows
from lethe.auditing.metrics.distance import ActivationDistance, GoldActivationDistance, WeightDistance
from lethe.auditing.units import hidden_units, permuted
from lethe.errors import InputError
from lethe.examples import Batch
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Task
from lethe.testing.language import tiny_language_problem


def model(weights: dict[str, Tensor], activations: dict[str, Tensor]) -> Rows:
    forget = SetRows(("a", "b"), torch.zeros(2), torch.zeros(2, 2), torch.zeros(2, 1), activations)
    return Rows({"forget": forget}, (torch.zeros(2, 1), None), weights)


ORIGINAL = model(
    {"low": torch.tensor([[3.0, 4.0]]), "high": torch.tensor([[0.0, 12.0]])},
    {"low": torch.tensor([[1.0, 0.0], [0.0, 3.0]]), "high": torch.ones(2, 4)},
)
MOVED = model(
    {"low": torch.tensor([[3.0, 4.0]]), "high": torch.tensor([[0.0, 18.0]])},
    {"low": torch.tensor([[1.0, 1.0], [0.0, 3.0]]), "high": torch.ones(2, 4)},
)


def test_a_model_is_nowhere_from_itself() -> None:
    against = References(ORIGINAL, gold=(ORIGINAL,))
    for metric in (WeightDistance(), ActivationDistance(), GoldActivationDistance()):
        score = metric(ORIGINAL, against)
        assert score.value == 0
        assert set(score.details["layers"].values()) == {0.0}


def test_weights_are_compared_relative_to_their_length() -> None:
    score = WeightDistance()(MOVED, References(ORIGINAL))
    assert score.details["layers"] == {"low": 0.0, "high": 0.5}
    assert score.value == pytest.approx(6 / 13)
    assert "gold_layers" not in score.details


def permuted_copy(model: nn.Module, task: Task, batch: Batch, seed: int) -> nn.Module:
    """The same function from the same weights in another order: all that can be exchanged is."""
    copy = models.copied(model)
    generator = torch.Generator().manual_seed(seed)
    for units in hidden_units(model, task, batch):
        order = torch.randperm(units.count, generator=generator)
        for axis in (*units.made, units.read):
            weight = copy.get_parameter(f"{axis.layer}.weight")
            weight.data = permuted(weight.data, axis, order)
        for axis in units.made:
            bias = dict(copy.named_parameters()).get(f"{axis.layer}.bias")
            if bias is not None:
                bias.data = bias.data[order]
    return copy


def test_a_permuted_copy_of_a_network_of_convolutions_is_nowhere(mislabelled: Problem) -> None:
    batch = mislabelled.forget.batch(torch.arange(4))
    copy = permuted_copy(mislabelled.model, mislabelled.task, batch, 1)
    expected = mislabelled.task.outputs(mislabelled.model, batch)
    torch.testing.assert_close(mislabelled.task.outputs(copy, batch), expected, rtol=1e-4, atol=1e-4)
    sets = {"forget": mislabelled.forget}
    own, original = (measure(one, mislabelled.task, sets, Run(), units=True) for one in (copy, mislabelled.model))
    score = WeightDistance()(own, References(original, gold=(original,)))
    assert score.value == 0
    assert set(score.details["gold_layers"].values()) == {0.0}
    assert score.details["as_stored"] > 1
    assert score.details["groups_in_order"] == 3
    assert WeightDistance(largest_group=8)(own, References(original)).value > 1


def test_a_permuted_copy_of_a_llama_is_nowhere_and_a_gold_is_far() -> None:
    problem = tiny_language_problem()
    copy = permuted_copy(problem.model, problem.task, problem.forget.batch(torch.arange(2)), 1)
    sets, asked = {"forget": problem.forget}, Asked(units=True)
    own, original, gold = (
        measure_text(one, problem.task, sets, Run(), asked) for one in (copy, problem.model, problem.gold[0])
    )
    assert WeightDistance()(own, References(original)).value == 0
    far = WeightDistance()(gold, References(original))
    assert 0.5 < far.value < far.details["as_stored"]


def test_distances_do_not_depend_on_the_scale_of_a_layer() -> None:
    def scaled(rows: Rows, factor: float) -> Rows:
        return dataclasses.replace(rows, weights={name: factor * weight for name, weight in rows.weights.items()})

    one = WeightDistance()(MOVED, References(ORIGINAL)).value
    assert WeightDistance()(scaled(MOVED, 7.0), References(scaled(ORIGINAL, 7.0))).value == pytest.approx(one)


def test_activations_are_compared_relative_to_their_mean_length() -> None:
    score = ActivationDistance()(MOVED, References(ORIGINAL))
    assert score.details["layers"] == {"low": pytest.approx(0.5 / 2), "high": 0.0}
    assert score.value == pytest.approx(0.125)


def test_the_distance_to_gold_is_the_mean_over_gold_models() -> None:
    score = GoldActivationDistance()(MOVED, References(ORIGINAL, gold=(ORIGINAL, MOVED)))
    assert score.details["layers"]["low"] == pytest.approx(0.25 / 2)


def test_models_of_different_architecture_are_refused() -> None:
    other = dataclasses.replace(MOVED, weights={"low": torch.zeros(5, 5)})
    with pytest.raises(InputError, match="layer 'high' is not the same in both models"):
        WeightDistance()(other, References(ORIGINAL))


def test_a_model_with_an_adapter_is_told_of_merging() -> None:
    adapted = dataclasses.replace(MOVED, weights={f"{name}.base_layer": w for name, w in MOVED.weights.items()})
    with pytest.raises(InputError, match="--merge"):
        WeightDistance()(adapted, References(ORIGINAL))
