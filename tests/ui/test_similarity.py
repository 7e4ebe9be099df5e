"""Linear CKA is 1 for the same representation however it is rotated, and falls for others."""

from __future__ import annotations

import math

import pytest
import torch

from lethe.errors import InputError
from lethe.ui.similarity import by_layer, chosen_layers, linear_cka


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_model_is_like_itself_also_when_rotated_scaled_and_shifted() -> None:
    x = drawn(40, 6)
    rotation, _ = torch.linalg.qr(drawn(6, 6, seed=1))
    assert linear_cka(x, x) == pytest.approx(1, abs=1e-12)
    assert linear_cka(x, 7 * x @ rotation + 3) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("examples", [10, 200])
def test_both_ways_of_computing_it_give_the_definition_by_kernels(examples: int) -> None:
    x, y = drawn(examples, 30), drawn(examples, 50, seed=1)
    centred = torch.eye(examples, dtype=torch.float64) - 1 / examples
    own, other = centred @ x @ x.T @ centred, centred @ y @ y.T @ centred
    expected = torch.trace(own @ other) / torch.sqrt(torch.trace(own @ own) * torch.trace(other @ other))
    assert linear_cka(x, y) == pytest.approx(float(expected), rel=1e-10)


def test_unrelated_representations_are_not_alike_and_a_constant_one_has_no_value() -> None:
    assert linear_cka(drawn(2000, 4), drawn(2000, 4, seed=1)) < 0.01
    assert math.isnan(linear_cka(torch.ones(5, 2), drawn(5, 2)))


def test_other_examples_are_refused() -> None:
    with pytest.raises(InputError, match="same examples"):
        linear_cka(drawn(4, 2), drawn(5, 2))


def test_a_layer_that_one_model_lacks_has_no_value_and_many_layers_are_thinned_out_evenly() -> None:
    x = drawn(9, 3)
    assert by_layer({"a": x}, {"a": x, "b": x}, ["a", "b"]) == [pytest.approx(1), None]
    names = [f"layer {i}" for i in range(100)]
    thinned = chosen_layers(names, 5)
    assert thinned == ["layer 0", "layer 25", "layer 50", "layer 74", "layer 99"]
    assert chosen_layers(names[:5], 5) == names[:5]
