"""Merging rules on task vectors: what they keep, and that seeing vectors one by one loses nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.errors import ConfigurationError
from lethe.methods.edits.merging import Consensus, merge

entries = st.integers(-3, 3).map(float)
pools = (
    st.integers(1, 5)
    .flatmap(lambda k: st.lists(st.lists(entries, min_size=k, max_size=k), min_size=1, max_size=12))
    .map(lambda rows: torch.tensor(rows).t().contiguous())
)


def vectors(pool):
    return [{"a": row[: len(row) // 2], "b": row[len(row) // 2 :]} for row in pool]


def joined(vector):
    return torch.cat([vector["a"], vector["b"]])


@given(pools)
def test_the_streamed_consensus_is_the_batch_formula(pool):
    agreed = pool.sign().sum(0).abs() == len(pool)
    expected = torch.where(agreed, pool.mean(0), 0.0)
    torch.testing.assert_close(joined(merge(vectors(pool), "consensus")), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(joined(merge(vectors(pool), "uniform")), pool.mean(0), rtol=0, atol=1e-6)


@given(pools)
def test_magmax_and_the_consensus_keep_their_order_of_magnitude(pool):
    largest = joined(merge(vectors(pool), "magmax"))
    assert torch.equal(largest.abs(), pool.abs().amax(0))
    assert bool((largest == pool).any(0).all())


def test_ties_trims_elects_and_averages_those_that_agree():
    # Five entries a model and a fifth kept: exactly the largest of each survives the trimming.
    pool = [
        [9.0, 1.0, 1.0, 1.0, 1.0],
        [-5.0, 1.0, 1.0, 1.0, 1.0],
        [7.0, 1.0, 1.0, 1.0, 1.0],
        [1.0, 1.0, -8.0, 1.0, 1.0],
    ]
    merged = merge([{"w": torch.tensor(row)} for row in pool], "ties")["w"]
    torch.testing.assert_close(merged, torch.tensor([8.0, 0.0, -8.0, 0.0, 0.0]))


def test_one_vector_is_itself_doubles_change_nothing_and_opposites_cancel():
    vector = {"w": torch.randn(100, generator=torch.Generator().manual_seed(0))}
    opposite = {"w": -vector["w"]}
    assert torch.equal(merge([vector], "consensus")["w"], vector["w"])
    assert torch.equal(merge([vector, vector], "consensus")["w"], vector["w"])
    assert torch.equal(merge([vector, opposite], "consensus")["w"], torch.zeros(100))


def test_every_further_model_can_only_take_weights_out_of_the_consensus():
    generator, consensus, kept = torch.Generator().manual_seed(0), Consensus(), []
    common = torch.randn(1000, generator=generator)
    for _ in range(5):
        consensus.add({"w": common + torch.randn(1000, generator=generator)})
        kept.append(consensus.mask()["w"])
    assert all(bool((late <= early).all()) for early, late in pairwise(kept))
    assert int(kept[-1].sum()) < int(kept[0].sum())


def test_merging_leaves_the_vectors_alone():
    pool = [{"w": torch.ones(3)}, {"w": torch.full((3,), 2.0)}]
    for rule in ("consensus", "uniform", "ties", "magmax"):
        merge(pool, rule)
    assert torch.equal(pool[0]["w"], torch.ones(3))


def test_nothing_cannot_be_merged():
    with pytest.raises(ConfigurationError):
        merge([], "uniform")
