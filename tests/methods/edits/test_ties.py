"""TIES of tensors: its identities, and what it does where signs differ."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.errors import ConfigurationError
from lethe.methods.edits.ties import ties

NUMBERS = st.lists(st.integers(-8, 8).map(float), min_size=6, max_size=6).map(torch.tensor)


@given(NUMBERS)
def test_a_tensor_with_itself_is_itself_at_density_one_and_nothing_at_zero(vector: torch.Tensor) -> None:
    assert torch.equal(ties([vector, vector], 1.0), vector)
    assert torch.equal(ties([vector, vector], 0.0), torch.zeros(6))


@given(NUMBERS, NUMBERS)
def test_of_one_sign_it_is_the_mean_and_the_result_has_the_elected_sign(one: torch.Tensor, other: torch.Tensor) -> None:
    positive = one.abs() + 1, other.abs() + 1
    assert torch.equal(ties(positive, 1.0), (positive[0] + positive[1]) / 2)
    merged, total = ties([one, other], 1.0), one + other
    elected = torch.where(total >= 0, 1.0, -1.0)
    assert bool(((merged == 0) | (merged.sign() == elected)).all())


def test_where_signs_differ_the_larger_one_stays_and_zeros_do_not_count() -> None:
    one, other = torch.tensor([3.0, -1.0, 0.0, 2.0]), torch.tensor([-1.0, 4.0, 5.0, -2.0])
    assert ties([one, other], 1.0).tolist() == [3, 4, 5, 2]  # an exact tie elects +


def test_each_is_trimmed_to_its_own_largest_entries_and_weighed_after_the_election() -> None:
    one, other = torch.tensor([5.0, 4.0, 1.0, 0.5]), torch.tensor([-0.1, 3.0, 2.0, 0.2])
    assert ties([one, other], 0.5).tolist() == [5, 3.5, 2, 0]
    assert ties([one, other], 0.5, [2.0, 1.0]).tolist() == [10, 5.5, 2, 0]
    assert ties([one.view(2, 2), other.view(2, 2)], 0.74).shape == (2, 2)


def test_what_cannot_be_merged_is_refused() -> None:
    for vectors, weights in (([], []), ([torch.ones(2), torch.ones(3)], []), ([torch.ones(2)], [1.0, 1.0])):
        with pytest.raises(ConfigurationError, match="one shape"):
            ties(vectors, 1.0, weights)
    with pytest.raises(ConfigurationError, match="density"):
        ties([torch.ones(2)], 1.5)
