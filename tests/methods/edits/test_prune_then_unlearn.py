"""Pruned weights stay pruned whatever unlearns afterwards, and sparsity helps it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from lethe import models
from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.methods.baselines.retrain import Retrain
from lethe.methods.edits.fisher_forgetting import FisherForgetting
from lethe.methods.edits.negmerge import TaskArithmetic
from lethe.methods.edits.prune_then_unlearn import PruneThenUnlearn, Stretch, masked
from lethe.methods.edits.ssd import SSD
from lethe.run import Run
from lethe.scopes.pruning import by_magnitude, sparsity_of
from lethe.worlds.digits import Digits
from tests.helpers import accuracies, tiny_problem

QUICK = {"train_epochs": 3, "rewind_epoch": 1}


def zeros(model):
    return {name: p.detach() == 0 for name, p in model.named_parameters() if p.dim() == 4}


@pytest.mark.parametrize(
    "method",
    [
        FineTune(epochs=1),
        RandomLabels(epochs=1, momentum=0.9, weight_decay=0.1),
        Retrain(epochs=1),
        SSD(alpha=1.0),
        FisherForgetting(alpha=1e-6, per_example=False),
        TaskArithmetic(epochs=2, scale=1.0, learning_rate=1e-2),
    ],
    ids=lambda method: type(method).__name__,
)
def test_unlearning_keeps_every_pruned_weight_at_zero(mislabelled, method):
    pruned = PruneThenUnlearn(pruner="magnitude", method=method)
    before = pruned.pruned(mislabelled, Run())
    assert sparsity_of(before, mislabelled.task) == pytest.approx(0.95, abs=1e-4)
    after = unlearn(mislabelled, pruned).model
    for name, gone in zeros(before).items():
        assert bool(zeros(after)[name][gone].all())
    assert not models.same_weights(before, after)


@pytest.mark.parametrize("pruner", ["omp", "imp", "synflow"])
def test_pruners_that_train_reach_the_sparsity_and_keep_their_pattern(mislabelled, pruner):
    method = PruneThenUnlearn(pruner=pruner, sparsity=0.5, method=FineTune(epochs=1), **QUICK)
    sparse = method.pruned(mislabelled, Run())
    assert sparsity_of(sparse, mislabelled.task) == pytest.approx(0.5, abs=1e-4)
    assert accuracies(mislabelled, sparse)[1] > 0.7  # trained, not only pruned
    after = unlearn(mislabelled, method).model
    assert all(torch.equal(gone, zeros(after)[name]) for name, gone in zeros(sparse).items())


def test_fine_tuning_forgets_a_class_on_the_pruned_network_and_not_on_the_dense_one(whole_class):
    tuned = FineTune(epochs=5, learning_rate=0.1)
    dense = accuracies(whole_class, unlearn(whole_class, tuned).model)
    sparse = accuracies(
        whole_class, unlearn(whole_class, PruneThenUnlearn(pruner="synflow", train_epochs=15, method=tuned)).model
    )
    assert dense[0] > 0.9
    assert sparse[0] < dense[0] - 0.2
    assert sparse[2] > dense[2] - 0.05


def test_iterative_pruning_removes_a_fifth_a_round_and_ends_at_the_sparsity_asked_for():
    assert PruneThenUnlearn(pruner="imp", sparsity=0.36).rounds() == pytest.approx([0.2, 0.36])
    rounds = PruneThenUnlearn(pruner="imp", sparsity=0.95).rounds()
    assert len(rounds) == 14
    assert rounds[-1] == 0.95
    assert all(1 - b == pytest.approx(0.8 * (1 - a)) for a, b in pairwise(rounds[:-1]))


def test_one_shot_pruning_rewinds_what_is_left_to_the_given_weights(mislabelled, tmp_path):
    early = Digits().gold()[0]  # any other weights of the same architecture
    models.save(early, tmp_path / "early")
    method = PruneThenUnlearn(
        rewind_weights=str(tmp_path / "early" / models.WEIGHTS), train_epochs=2, rewind_epoch=1,
        train_learning_rate=1e-12,
    )  # fmt: skip
    sparse = method.pruned(mislabelled, Run())
    expected = masked(early, by_magnitude(mislabelled.model, mislabelled.task, 0.95))
    for name, value in expected.named_parameters():
        torch.testing.assert_close(sparse.get_parameter(name), value, rtol=0, atol=1e-6)


def test_a_stretch_of_training_has_the_learning_rates_of_its_place_in_the_whole():
    whole = FineTune(epochs=10, schedule="cosine")
    late = Stretch(begin=4, epochs=6, whole=10, schedule="cosine")
    assert [late.rate(step, 42) for step in (0, 20, 41)] == pytest.approx(
        [whole.rate(28 + step, 70) for step in (0, 20, 41)]
    )


def test_masked_retraining_never_saw_the_forget_set(mislabelled):
    gold = PruneThenUnlearn(pruner="synflow", method=Retrain(epochs=10), **QUICK)
    forget, retain, test = accuracies(mislabelled, unlearn(mislabelled, gold).model)
    assert forget < 0.1
    assert retain > 0.95
    assert test > 0.9


def test_what_pruning_needs_depends_on_the_pruner():
    ascent_only = TaskArithmetic(scale=1.0)
    assert PruneThenUnlearn(pruner="magnitude", method=ascent_only).requirements() == frozenset()
    assert PruneThenUnlearn(pruner="omp", method=ascent_only).requirements() == {"retain"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"method": PruneThenUnlearn()}, "has no scope"),
        ({"sparsity": 1.0}, "sparsity"),
        ({"train_epochs": 5, "rewind_epoch": 5}, "rewind_epoch"),
        ({"pruner": "imp", "rewind_weights": "early.safetensors"}, "rewind_weights"),
        ({"method": FineTune(epochs=0)}, "epochs"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_trained(wrong, told):
    with pytest.raises(ConfigurationError, match=told):
        unlearn(tiny_problem(), PruneThenUnlearn(**wrong))
