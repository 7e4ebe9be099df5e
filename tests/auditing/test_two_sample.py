from __future__ import annotations

import pytest
import torch

from lethe.auditing.two_sample import two_sample_test
from tests.auditing.samples import LEVEL, at_level, repeated, three


@pytest.mark.parametrize(("aligned", "shared"), [(True, 0.8), (True, 0.0), (False, 0.0)])
def test_equal_distributions_are_rejected_no_more_often_than_the_level(aligned, shared):
    rejected = [
        two_sample_test(x, y, generator, permutations=99, aligned=aligned) <= LEVEL
        for (x, y, _), generator in repeated(200, 40, (0, 0, 0), shared)
    ]
    assert 0 < sum(rejected) / 200 <= at_level(rejected)


@pytest.mark.parametrize("aligned", [True, False])
def test_a_shift_is_found(aligned):
    found = [two_sample_test(x, y, g, aligned=aligned) for (x, y, _), g in repeated(10, 60, (0, 1, 0), 0.0)]
    assert max(found) < LEVEL
    assert min(found) >= 1 / 501  # what was observed is one of the permutations


def test_shared_inputs_reveal_a_shift_that_independent_samples_hide():
    paired, pooled = (
        [two_sample_test(x, y, g, aligned=aligned) <= LEVEL for (x, y, _), g in repeated(20, 60, (0, 0.2, 0), 0.95)]
        for aligned in (True, False)
    )
    assert sum(paired) > sum(pooled) + 5


def test_a_difference_in_spread_is_found_although_the_means_agree():
    x, y, _ = three(100, (0, 0, 0), torch.Generator().manual_seed(0), shared=0.0)
    assert two_sample_test(x, 3 * y, torch.Generator().manual_seed(1)) < 0.01


def test_a_model_is_not_told_from_itself():
    x, _, _ = three(50, (0, 0, 0), torch.Generator().manual_seed(0))
    assert two_sample_test(x, x.clone(), torch.Generator()) == 1


def test_samples_of_different_sizes_are_compared():
    x, y, _ = three(80, (0, 1, 0), torch.Generator().manual_seed(0))
    assert two_sample_test(x, y[:40], torch.Generator().manual_seed(1), aligned=False) < 0.01
