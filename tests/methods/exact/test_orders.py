"""Which orders are trained decides how many deletions a service survives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lethe.errors import ConfigurationError
from lethe.methods.exact.orders import Order, cyclic, expected_deletions, matched, score


def survived(shards: int, slices: int, orders: list[Order], draws: np.random.Generator, sharded: bool = False) -> int:
    """Delete random slices until every copy has lost its first; with `sharded`, until every shard was hit at all."""
    hit: set[tuple[int, int]] = set()
    alive = {(s, i if sharded else o[0]) for s in range(shards) for i, o in enumerate(orders)}
    for count in itertools.count(1):
        s, j = int(draws.integers(shards)), int(draws.integers(slices))
        hit.add((s, j))
        alive -= {(s, i) for i in range(slices)} if sharded else {(s, j)}
        if not alive:
            return count
    raise AssertionError


@pytest.mark.parametrize(("budget", "expected"), [(1, 68.5), (6, 119.8), (12, 119.8)])
def test_the_deletions_that_are_survived(budget: int, expected: float) -> None:
    draws, orders = np.random.default_rng(0), cyclic(6, budget)
    counts = [survived(5, 6, orders, draws) for _ in range(3000)]
    assert np.mean(counts) == pytest.approx(expected, rel=0.03)
    assert expected_deletions(5, 6, budget) == pytest.approx(expected, abs=0.05)


def test_a_shard_that_any_hit_kills_survives_far_fewer() -> None:
    draws = np.random.default_rng(0)
    counts = [survived(5, 6, cyclic(6, 1), draws, sharded=True) for _ in range(3000)]
    assert np.mean(counts) == pytest.approx(11.4, rel=0.03)


def test_rotations_put_every_slice_in_every_position_once() -> None:
    orders = cyclic(5, 5)
    for position in range(5):
        assert sorted(order[position] for order in orders) == [0, 1, 2, 3, 4]
    assert cyclic(4, 4) == [(0, 1, 2, 3), (3, 0, 1, 2), (2, 3, 0, 1), (1, 2, 3, 0)]
    assert len(set(cyclic(4, 24))) == 24
    with pytest.raises(ConfigurationError, match="4 slices have 24 orders"):
        cyclic(4, 25)


def test_matching_scores_above_rotations_where_deletions_are_known() -> None:
    p = (0.05, 0.5, 0.15, 0.2, 0.1)
    orders = matched(p, 5)
    for position in range(5):
        assert sorted(order[position] for order in orders) == [0, 1, 2, 3, 4]
    assert sum(score(order, p) for order in orders) == pytest.approx(5.947528e-3, abs=2e-9)
    assert sum(score(order, p) for order in cyclic(5, 5)) == pytest.approx(5.947353e-3, abs=2e-9)
    with pytest.raises(ConfigurationError, match="1 to 5 orders"):
        matched(p, 6)
    with pytest.raises(ConfigurationError, match="no probabilities"):
        matched((0.9, 0.9), 2)
