"""CODEC tells dependence from independence, FOCI finds the features that matter, slices own their rows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lethe.errors import ConfigurationError
from lethe.hooks import reading
from lethe.scopes.foci import codec, foci, most_dependent, untied
from lethe.scopes.slices import Slices


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_coefficient_is_one_for_a_function_and_zero_for_what_is_independent():
    x = uniform(1000, 2)
    assert codec((3 * x[:, 0]).sin(), x[:, 0]) > 0.98
    assert abs(codec(x[:, 1], x[:, 0])) < 0.1


def test_given_the_other_summand_a_dependence_shows_that_did_not_alone():
    x = uniform(1000, 2)
    y = (x[:, 0] + x[:, 1]) % 1
    assert abs(codec(y, x[:, 0])) < 0.1
    assert codec(y, x[:, 0], x[:, 1]) > 0.85


def test_foci_finds_both_features_among_a_hundred():
    x = uniform(1000, 100)
    chosen = foci(x[:, 34] + x[:, 87] + uniform(1000, seed=1), x)
    assert set(chosen[:2]) == {34, 87}
    assert len(chosen) < 10


def test_the_scores_of_all_features_at_once_are_those_of_each():
    x, y = uniform(60, 5), uniform(60, seed=1)
    expected = torch.tensor([codec(y, column) for column in x.unbind(1)], dtype=torch.float64)
    torch.testing.assert_close(most_dependent(y, x), expected)


def test_constant_and_binary_columns_have_neighbours():
    x = torch.zeros(200, 3)
    x[:, 1] = (torch.arange(200) % 2).float()
    y = x[:, 1].clone()
    jitter = torch.Generator().manual_seed(0)
    assert foci(untied(y, jitter), untied(x, jitter))[0] == 1


def test_slices_average_over_positions_and_own_their_rows_alone():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    slices, inputs = Slices.of(model), torch.randn(5, 1, 4, 4)
    with reading(slices.layers) as seen:
        out = model(inputs)
    pooled = slices.pooled(seen, 5)
    torch.testing.assert_close(pooled[:, :2], model[0](inputs).mean((2, 3)))
    torch.testing.assert_close(pooled[:, 2:], out)
    allowed = slices.mask([1, 4]).allowed
    assert {name: int(flags.sum()) for name, flags in allowed.items()} == {
        "0.weight": 9, "0.bias": 1, "2.weight": 8, "2.bias": 1,
    }  # fmt: skip
    assert bool(allowed["0.weight"][1].all())
    assert bool(allowed["2.weight"][2].all())


def test_a_model_without_layers_has_no_slices():
    with pytest.raises(ConfigurationError, match="slices"):
        Slices.of(nn.Flatten())
