"""Ranks of true tokens: certain, uniform, tied."""

from __future__ import annotations

import math

import pytest
import torch

from lethe.auditing.text.ranks import Ranks, joined_ranks, ranks_of
from lethe.errors import ConfigurationError, InputError


def test_a_model_that_memorised_ranks_first():
    targets = torch.arange(6)
    ranks = ranks_of(10.0 * torch.eye(6), targets)
    assert ranks.reciprocal().tolist() == [1.0] * 6
    assert ranks.within(1).tolist() == [1.0] * 6


@pytest.mark.parametrize("size", [256, 1000])
def test_a_uniform_model_has_the_mean_over_all_orders(size):
    ranks = ranks_of(torch.zeros(3, size), torch.tensor([0, 7, size - 1]))
    harmonic = math.fsum(1 / rank for rank in range(1, size + 1)) / size
    assert ranks.reciprocal().tolist() == pytest.approx([harmonic] * 3, rel=1e-12)
    assert harmonic < 0.05
    assert ranks.within(100).tolist() == pytest.approx([100 / size] * 3)


def test_ties_below_the_top_are_averaged():
    ranks = ranks_of(torch.tensor([[5.0, 2.0, 2.0, 2.0, 1.0]]), torch.tensor([3]))
    assert float(ranks.reciprocal()) == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)
    assert float(ranks.within(3)) == pytest.approx(2 / 3)


def test_steps_that_never_came_are_last():
    ranks = joined_ranks([Ranks(torch.tensor([0]), torch.tensor([1])), Ranks.last(2, 50)])
    assert ranks.reciprocal().tolist() == [1.0, 1 / 50, 1 / 50]


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(InputError, match="NaN"):
        ranks_of(torch.tensor([[math.nan, 0.0]]), torch.tensor([0]))
    with pytest.raises(InputError, match=r"\[n, V\]"):
        ranks_of(torch.zeros(2, 3), torch.tensor([0]))
    with pytest.raises(ConfigurationError, match="no rank"):
        Ranks.last(1, 5).within(0)
