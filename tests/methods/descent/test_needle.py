"""Needle and the scope of value vectors, card 011."""

from __future__ import annotations

import pytest
import torch

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.methods.descent.needle import Needle
from lethe.run import Run
from lethe.scopes import ValueVectors
from lethe.tasks.value_vectors import value_matrices
from lethe.testing.language import tiny_language_problem


def test_only_the_vector_changes_also_with_weight_decay() -> None:
    problem = tiny_language_problem()
    model = unlearn(problem, Needle(layer=1, unit=3, epochs=2, batch_size=2, weight_decay=0.5)).model
    changed = value_matrices(problem.task, problem.model)[1]
    for (name, before), after in zip(problem.model.named_parameters(), model.parameters(), strict=True):
        if name == changed.name:
            moved = (before != after).nonzero()[:, 1]
            assert set(moved.tolist()) == {3}
        else:
            assert torch.equal(before, after)


def test_noise_is_there_before_the_first_step_and_scaled_as_asked() -> None:
    problem = tiny_language_problem()
    own = value_matrices(problem.task, problem.model)[0].vector(1)
    for noise, relative, expected in ((0.1, False, 0.1), (2.0, True, 2 * float(own.std()))):
        started = Needle(layer=0, unit=1, noise=noise, relative=relative).start(problem, Run())
        drawn = value_matrices(problem.task, started)[0].vector(1) - own
        assert float(drawn.std()) == pytest.approx(expected, rel=0.4)
    quiet = Needle(layer=0, unit=1, noise=0.0).start(problem, Run())
    assert torch.equal(value_matrices(problem.task, quiet)[0].vector(1), own)


def test_the_scope_takes_one_vector_some_or_all() -> None:
    problem = tiny_language_problem()
    matrices = value_matrices(problem.task, problem.model)
    width, units = matrices[0].vectors.shape[1], len(matrices[0].vectors)
    total = sum(p.numel() for p in problem.model.parameters())
    shares = [
        ValueVectors(layer=0, unit=4).mask(problem, Run()).share(problem.model),
        ValueVectors(count=3).mask(problem, Run()).share(problem.model),
        ValueVectors(count=0).mask(problem, Run()).share(problem.model),
    ]
    assert shares == pytest.approx([width / total, 3 * width / total, 2 * units * width / total])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 1}, "give both or neither"),
        ({"layer": 9, "unit": 0}, "no block 9|blocks 0 to 1"),
        ({"layer": 1, "unit": 64}, "units 0 to 63"),
        ({"noise": -1.0}, "noise must not be negative"),
    ],
)
def test_impossible_vectors_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        unlearn(tiny_language_problem(), Needle(**settings))  # type: ignore[arg-type]
