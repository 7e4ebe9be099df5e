"""Examples keep their identity through every selection, and refuse what would lose it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.errors import InputError
from lethe.examples import Examples, concatenate, join, shuffled


def some(count: int = 6) -> Examples:
    return Examples(
        tuple(f"id{i}" for i in range(count)),
        {"x": torch.arange(count * 2).view(count, 2), "text": np.array([f"t{i}" for i in range(count)], dtype=object)},
    )


def test_selecting_by_id_keeps_rows_and_columns_together():
    chosen = some().select(["id4", "id1"])
    assert chosen.ids == ("id1", "id4")
    assert chosen.tensor("x").tolist() == [[2, 3], [8, 9]]
    assert list(chosen["text"]) == ["t1", "t4"]


@pytest.mark.parametrize(
    ("ids", "culprit"), [(["id9"], "unknown id 'id9'"), (["id1", "id1"], "'id1' is asked for twice")]
)
def test_selecting_names_the_id_that_is_wrong(ids, culprit):
    with pytest.raises(InputError, match=culprit):
        some().select(ids)


def test_an_unknown_id_comes_with_the_nearest_known_one():
    with pytest.raises(InputError, match="did you mean 'id3'"):
        Examples(("id3", "other"), {}).select(["idd3"])


def test_duplicate_ids_and_ragged_columns_are_refused():
    with pytest.raises(InputError, match="'a' stands twice"):
        Examples(("a", "b", "a"), {})
    with pytest.raises(InputError, match="column 'x' has 3 rows but there are 2 ids"):
        Examples(("a", "b"), {"x": torch.zeros(3)})


def test_a_text_column_is_not_taken_for_numbers():
    with pytest.raises(InputError, match="no column of numbers named 'text'"):
        some().tensor("text")
    with pytest.raises(InputError, match="no column of numbers named 'text'"):
        some().batch(torch.tensor([0])).tensor("text")


def test_the_fingerprint_changes_with_ids_order_and_every_value():
    base = some()
    changed = torch.arange(12).view(6, 2).clone()
    changed[5, 1] += 1
    others = [base.take([1, 0, 2, 3, 4, 5]), base.take(range(5)), base.with_column("x", changed)]
    assert base.fingerprint == some().fingerprint
    assert len({base.fingerprint, *(o.fingerprint for o in others)}) == 4


def test_without_and_sample_partition_and_keep_order():
    kept = some().without(["id0", "id5", "unknown"])
    assert kept.ids == ("id1", "id2", "id3", "id4")
    drawn = some(50).sample(20, torch.Generator().manual_seed(1))
    assert len(drawn) == 20
    assert list(drawn.ids) == sorted(drawn.ids, key=lambda name: int(name[2:]))


@given(count=st.integers(1, 200), size=st.integers(1, 70), seed=st.integers(0, 5))
def test_shuffled_batches_hold_every_row_once_and_never_end_in_a_single_one(count, size, seed):
    batches = shuffled(count, size, torch.Generator().manual_seed(seed))
    assert sorted(torch.cat(batches).tolist()) == list(range(count))
    assert len(batches) == 1 or size == 1 or len(batches[-1]) > 1


def test_joined_batches_and_concatenated_sets_keep_rows_in_order():
    both = join(some().batch(torch.tensor([0, 2])), some().batch(torch.tensor([5])))
    assert both.rows.tolist() == [0, 2, 5]
    assert list(both["text"]) == ["t0", "t2", "t5"]
    first, second = some().take([0, 1]), some().take([3])
    assert concatenate(first, second).ids == ("id0", "id1", "id3")
    with pytest.raises(InputError, match="stands twice"):
        concatenate(first, first)


def test_tensors_and_datasets_become_examples_with_ids_of_their_own():
    train = Examples.of(prefix="train-", input=torch.zeros(3, 2), label=torch.arange(3))
    test = Examples.from_dataset([(torch.ones(2), 1), (torch.zeros(2), 0)], prefix="test-")
    assert test.ids == ("test-0", "test-1")
    assert test.tensor("label").tolist() == [1, 0]
    assert not train.position.keys() & test.position.keys()
    with pytest.raises(InputError, match=r"item 1 has shape \(3,\), item 0 has \(2,\)"):
        Examples.from_dataset([(torch.ones(2), 1), (torch.zeros(3), 0)])
