"""Pruning patterns keep what they say, exactly as much of it, and nothing of the head."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lethe.errors import ConfigurationError
from lethe.models import copied, same_weights
from lethe.scopes.pruning import by_magnitude, by_synaptic_flow, prunable, sparsity_of, survivors, zero
from lethe.tasks import Classification
from lethe.worlds.digits import Digits, network
from tests.helpers import tiny_problem


def seeded(architecture):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network(architecture)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.floats(0, 1))
def test_the_count_is_exact_and_no_survivor_is_smaller_than_one_that_went(scores, keep):
    values = torch.tensor(scores, dtype=torch.float32)
    kept = survivors({"w": values}, keep)["w"]
    assert int(kept.sum()) == round(keep * len(scores))
    if 0 < int(kept.sum()) < len(scores):
        assert values[kept].min() >= values[~kept].max()


def test_convolutions_are_pruned_together_and_nothing_else(mislabelled):
    model = copied(mislabelled.model)
    zero(model, by_magnitude(model, mislabelled.task, 0.95))
    assert sparsity_of(model, mislabelled.task) == pytest.approx(0.95, abs=1e-4)
    for name in ("hidden.weight", "head.weight", "conv1.bias"):
        assert torch.equal(model.get_parameter(name), mislabelled.model.get_parameter(name))
    left = torch.cat([p[p != 0].detach().abs() for p in (model.conv1.weight, model.conv2.weight)]).min()
    for name in ("conv1.weight", "conv2.weight"):
        gone = model.get_parameter(name) == 0
        assert bool((mislabelled.model.get_parameter(name)[gone].abs() <= left).all())


def test_matrices_are_all_but_the_heads_and_a_model_without_convolutions_says_so():
    problem = tiny_problem()
    assert prunable(problem.model, problem.task, "matrices").keys() == {"first.weight"}
    with pytest.raises(ConfigurationError, match="layers=matrices"):
        prunable(problem.model, problem.task)
    vit = seeded("vit")
    assert "classifier.weight" not in prunable(vit, Digits().task, "matrices")


@pytest.mark.parametrize("architecture", ["cnn", "vit", "resnet"])
def test_synaptic_flow_leaves_the_model_alone_and_never_cuts_a_layer_through(architecture):
    model, task = seeded(architecture), Digits().task
    before = copied(model)
    pattern = by_synaptic_flow(model, task, torch.Size([1, 8, 8]), 0.95, "matrices", rounds=20)
    assert same_weights(model, before)
    zero(model, pattern)
    assert sparsity_of(model, task, "matrices") == pytest.approx(0.95, abs=1e-3)
    if architecture == "cnn":  # in the others, paths run beside the layers
        assert all(bool(kept.any()) for kept in pattern.values())


def test_synaptic_flow_scores_a_weight_by_all_paths_through_it():
    chain = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        # |w| alone would keep the two 3s of the first layer; their paths end in a weight of a hundredth.
        chain[0].weight.copy_(torch.tensor([[3.0, -3.0], [1.0, 2.0]]))
        chain[1].weight.copy_(torch.tensor([[0.01, 0.0], [0.0, -1.0]]))
        chain[2].weight.fill_(1.0)
    task = Classification(classes=1, head_name="2")
    flow = by_synaptic_flow(chain, task, torch.Size([2]), 0.75, "matrices", rounds=1)
    assert flow["0.weight"].tolist() == [[False, False], [False, True]]
    assert flow["1.weight"].tolist() == [[False, False], [False, True]]
