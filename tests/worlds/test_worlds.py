"""The worlds have signal, are trained once, and mend a damaged cache."""

from __future__ import annotations

import pytest
import torch

from lethe.examples import Examples
from lethe.models import same_weights
from lethe.worlds.base import Training, World
from lethe.worlds.cache import cached_model
from lethe.worlds.digits import Digits
from tests.helpers import accuracies


@pytest.mark.parametrize("world", ["mislabelled", "whole_class"])
def test_gold_behaves_measurably_differently_on_the_forget_set(world, request):
    problem = request.getfixturevalue(world)
    assert accuracies(problem, problem.model)[0] == 1.0
    for gold in problem.gold:
        forget, retain, test = accuracies(problem, gold)
        assert forget < 0.05
        assert retain > 0.99
        assert test > 0.97


def test_a_random_subset_has_little_signal(random_subset):
    gaps = [abs(accuracies(random_subset, gold)[0] - 1.0) for gold in random_subset.gold]
    assert max(gaps) < 0.04


def test_the_sets_are_apart_and_wrong_labels_are_wrong():
    forget, retain, holdout = Digits("mislabelled").sets
    true = dict(zip(*_true(), strict=True))
    assert len({*forget.ids, *retain.ids, *holdout.ids}) == 1797
    assert all(true[name] != label for name, label in zip(forget.ids, forget.tensor("label").tolist(), strict=True))
    assert all(true[name] == label for name, label in zip(retain.ids, retain.tensor("label").tolist(), strict=True))


def _true():
    from lethe.worlds.digits import load_digits

    digits = load_digits()
    return digits.ids, digits.tensor("label").tolist()


def test_models_are_trained_once_and_again_where_the_cache_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))
    trained = []

    def train():
        trained.append(1)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return torch.nn.Linear(2, 2)

    def get():
        return cached_model({"recipe": 1}, lambda: torch.nn.Linear(2, 2), train)[0]

    first = get()
    assert same_weights(first, get())
    assert len(trained) == 1
    file = next(tmp_path.rglob("model.safetensors"))
    file.write_bytes(file.read_bytes()[:-4])
    assert same_weights(first, get())
    assert len(trained) == 2
    cached_model({"recipe": 2}, lambda: torch.nn.Linear(2, 2), train)
    assert len(trained) == 3


def test_training_depends_on_the_seed_and_on_every_example(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))

    class Short(Digits):
        @property
        def training(self):
            return Training(epochs=1)

    world: World = Short("random")
    examples: Examples = world.sets[0]
    one = world.train(examples, 0)
    assert not same_weights(one, world.train(examples, 1))
    assert not same_weights(one, world.train(examples.take(range(len(examples) - 1)), 0))
