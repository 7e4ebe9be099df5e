"""The search for the hardest forget set, on 500 digits and a network trained on them in a second."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from scipy.optimize import minimize
from torch import nn

from lethe import models
from lethe.auditing.worst_case import HardestSet, capped_simplex
from lethe.errors import ConfigurationError
from lethe.examples import Examples, concatenate
from lethe.measuring import example_outputs
from lethe.run import Run
from lethe.worlds.base import Training, fit
from lethe.worlds.digits import Digits

WORLD = Digits("random")
COUNT = 50
SEARCH = HardestSet(count=COUNT, rounds=3, epochs=8, batch_size=64, restart=True)


def trained(examples: Examples, seed: int = 5) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = WORLD.network()
    return fit(network, WORLD.task, examples, Training(epochs=10), seed)


def unlearning_accuracy(data: Examples, forget: Examples) -> float:
    """Error of a model retrained without them: UA of the literature."""
    gold = trained(data.without(forget.ids))
    right = example_outputs(gold, WORLD.task, forget, Run()).argmax(1) == forget.tensor("label")
    return 1 - float(right.double().mean())


@pytest.fixture(scope="module")
def data() -> Examples:
    forget, retain, _ = WORLD.sets
    return concatenate(retain, forget).take(range(500))


@pytest.fixture(scope="module")
def original(data: Examples) -> nn.Module:
    return trained(data)


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=5), st.integers(1, 2))
def test_the_projection_is_that_of_a_quadratic_program(values: list[float], total: int) -> None:
    point = torch.tensor(values, dtype=torch.float64)
    found = capped_simplex(point, total)
    assert float(found.sum()) == pytest.approx(total, abs=1e-3)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    best = minimize(
        lambda w: ((w - point.numpy()) ** 2).sum(), [total / len(values)] * len(values), bounds=[(0, 1)] * len(values),
        constraints={"type": "eq", "fun": lambda w: w.sum() - total}, method="SLSQP",
    )  # fmt: skip
    assert found.tolist() == pytest.approx(best.x.tolist(), abs=1e-3)


def test_retraining_forgets_the_hardest_set_less_and_the_easiest_more_than_random_ones(
    data: Examples, original: nn.Module
) -> None:
    random = [unlearning_accuracy(data, data.sample(COUNT, torch.Generator().manual_seed(seed))) for seed in range(3)]
    before = models.fingerprint(original)
    hardest = SEARCH(original, WORLD.task, data, Run())
    easiest = HardestSet(**{**vars(SEARCH), "easiest": True})(original, WORLD.task, data, Run())
    assert unlearning_accuracy(data, hardest.examples) < 0.5 * sum(random) / 3
    assert unlearning_accuracy(data, easiest.examples) > 5 * max(random)
    assert len(hardest.examples) == len(easiest.examples) == COUNT
    assert hardest.objective[-1] < 0.5 * hardest.objective[0]
    assert easiest.objective[-1] > 1.5 * easiest.objective[0]
    assert models.fingerprint(original) == before


def test_examples_that_have_copies_in_what_is_kept_are_preferred(data: Examples) -> None:
    """Labels drawn at random can only be learnt by heart: without an example, from its copy alone."""
    base = data.take(range(100)).with_column(
        "label", torch.randint(10, (100,), generator=torch.Generator().manual_seed(0))
    )
    first = base.take(range(30))
    whole = concatenate(base, Examples(tuple(f"copy-{name}" for name in first.ids), first.columns))
    search = HardestSet(count=15, rounds=4, epochs=40, batch_size=32, restart=True)
    chosen = search(WORLD.network(), WORLD.task, whole, Run()).examples.ids
    twice = {name for name in whole.ids if name.removeprefix("copy-") in set(first.ids)}
    assert len(twice.intersection(chosen)) >= 12, "by chance it would be 7 of 15"


def test_fine_tuning_finds_sets_that_are_hard_for_it(data: Examples, original: nn.Module) -> None:
    search = HardestSet(count=COUNT, rounds=3, learning_rate=3e-4)
    assert (
        search(original, WORLD.task, data, Run()).objective[-1] < search(original, WORLD.task, data, Run()).objective[0]
    )


def test_whole_classes_are_chosen_and_the_same_run_chooses_the_same(data: Examples, original: nn.Module) -> None:
    search = HardestSet(count=2, rounds=2, epochs=1, by="label")
    found = search(original, WORLD.task, data, Run(seed=3))
    labels = set(found.examples.tensor("label").tolist())
    assert len(labels) == 2
    assert len(found.examples) == sum(int((data.tensor("label") == label).sum()) for label in labels)
    assert len(found.weights) == 10
    assert search(original, WORLD.task, data, Run(seed=3)).examples.ids == found.examples.ids


def test_what_cannot_be_chosen_is_refused(data: Examples, original: nn.Module) -> None:
    with pytest.raises(ConfigurationError, match="takes 1 to 499 of 500; 500 is out of range"):
        HardestSet(count=500)(original, WORLD.task, data, Run())
    with pytest.raises(ConfigurationError, match="no column 'person'"):
        HardestSet(count=1, by="person")(original, WORLD.task, data, Run())
