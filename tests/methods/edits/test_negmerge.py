"""Task arithmetic and NegMerge walk away from what makes a model better at the forget set."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.edits.line_search import accuracy, constrained_search
from lethe.methods.edits.negmerge import NegMerge, TaskArithmetic
from lethe.models import same_weights
from lethe.run import Run
from lethe.state_arithmetic import weights, with_weights
from tests.helpers import accuracies, tiny_problem

POOL = {"learning_rates": (1e-4, 3e-4, 1e-3), "weight_decays": (0.0,), "epochs": 10, "max_scale": 30.0}


@pytest.mark.parametrize("rule", ["consensus", "uniform", "ties", "magmax", "single_best", "greedy"])
def test_a_class_is_forgotten_while_the_others_keep_95_percent(whole_class, rule):
    forget_before, retain_before, _ = accuracies(whole_class, whole_class.model)
    forget, retain, _ = accuracies(whole_class, unlearn(whole_class, NegMerge(merge=rule, **POOL)).model)
    assert forget <= forget_before - 0.15
    assert retain >= 0.95 * retain_before


def test_the_consensus_forgets_as_much_as_the_average_at_the_same_retention(whole_class):
    forget = {
        rule: accuracies(whole_class, unlearn(whole_class, NegMerge(merge=rule, **POOL)).model)[0]
        for rule in ("consensus", "uniform")
    }
    assert forget["consensus"] <= forget["uniform"]


def test_walking_the_other_way_learns_the_forget_set(whole_class):
    # A model that has never seen the class: adding the task vector must teach it, subtracting must not.
    novice = dataclasses.replace(whole_class, model=whole_class.gold[0])
    method = NegMerge(learning_rates=(3e-3,), weight_decays=(0.0, 1e-2), epochs=20, scale=-1.0)
    assert accuracies(novice, novice.model)[0] < 0.1
    assert accuracies(novice, unlearn(novice, method).model)[0] > 0.5
    assert accuracies(novice, unlearn(novice, dataclasses.replace(method, scale=1.0)).model)[0] < 0.1


def test_a_pool_of_one_is_task_arithmetic_to_the_bit():
    problem = tiny_problem()
    one = NegMerge(learning_rates=(1e-2,), weight_decays=(0.1,), epochs=3, scale=0.7)
    plain = TaskArithmetic(learning_rate=1e-2, weight_decay=0.1, epochs=3, scale=0.7)
    assert same_weights(unlearn(problem, one).model, unlearn(problem, plain).model)
    assert not same_weights(unlearn(problem, one).model, problem.model)


def test_weights_without_consensus_and_buffers_keep_their_bits():
    problem = tiny_problem()
    method = NegMerge(learning_rates=(1e-3, 1e-2, 1e-1), weight_decays=(0.0,), epochs=5, batch_size=4, scale=1.0)
    vectors = list(method.vectors(problem, Run()))
    model = unlearn(problem, method).model
    before, after = weights(problem.model), weights(model)
    kept = 0
    for name, value in before.items():
        split = torch.stack([torch.sign(v[name]) for v in vectors]).sum(0).abs() < len(vectors)
        assert torch.equal(after[name][split], value[split])
        kept += int(split.sum())
    assert kept > 0
    for name, buffer in problem.model.named_buffers():
        assert torch.equal(model.get_buffer(name), buffer)


def test_the_search_finds_the_lowest_forget_accuracy_that_retention_allows(whole_class):
    generator = torch.Generator().manual_seed(0)
    direction = {n: 0.05 * torch.randn(v.shape, generator=generator) for n, v in weights(whole_class.model).items()}
    scales = [0.5 * i for i in range(1, 12)]
    found = constrained_search(whole_class, direction, scales, 0.95, Run())

    def measured(scale):
        values = {n: v + scale * direction[n] for n, v in weights(whole_class.model).items()}
        return accuracies(whole_class, with_weights(whole_class.model, values))[:2]

    floor = 0.95 * accuracy(whole_class.model, whole_class.task, whole_class.retain, Run())
    allowed = [forget for forget, retain in map(measured, [0.0, *scales]) if retain >= floor]
    assert len(allowed) < len(scales)  # or the constraint was never tried
    assert found.forget == min(allowed)
    assert measured(found.scale)[0] == found.forget


def test_a_frozen_head_keeps_its_bits_and_a_given_scale_needs_no_retain_set():
    problem = dataclasses.replace(tiny_problem(), retain=None)
    model = unlearn(problem, TaskArithmetic(learning_rate=1e-2, epochs=2, scale=1.0, train_head=False)).model
    assert torch.equal(model.head.weight, problem.model.head.weight)
    assert not torch.equal(model.first.weight, problem.model.first.weight)
    with pytest.raises(ConfigurationError, match="retain"):
        unlearn(problem, TaskArithmetic())


@pytest.mark.parametrize(
    "wrong",
    [{"learning_rates": ()}, {"grid": 1}, {"max_scale": 0.0}, {"keep_retain": 1.5}, {"merge": "greedy", "scale": 1.0}],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        unlearn(tiny_problem(), NegMerge(**wrong))
