from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lethe.auditing.text import forget_quality, kolmogorov_smirnov
from lethe.errors import InputError

SAMPLE = st.lists(st.integers(-6, 6), min_size=1, max_size=25)


def sample(count: int, shift: float = 0.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


@pytest.mark.parametrize(("n", "p"), [(40, 1.9e-23), (200, 1.94e-119), (400, 1.06e-239)])
def test_separated_samples_have_two_orders_in_all_that_are_as_extreme(n, p):
    test = kolmogorov_smirnov(sample(n), sample(n, shift=100))
    assert test.statistic == 1
    assert test.sizes == (n, n)
    assert test.p_value == pytest.approx(2 / math.comb(2 * n, n), rel=1e-9)
    assert test.p_value == pytest.approx(p, rel=0.03)


@pytest.mark.parametrize(("n", "m"), [(600, 600), (2000, 1500)])
def test_p_values_below_the_smallest_float_keep_their_logarithm(n, m):
    test = kolmogorov_smirnov(sample(n), sample(m, shift=100))
    assert test.p_value == 0
    assert test.log10_p == pytest.approx(math.log10(2) - math.log10(math.comb(n + m, n)), rel=1e-10)


def test_the_same_log_is_not_told_from_itself():
    values = sample(40)
    test = forget_quality(values, values)
    assert (test.statistic, test.p_value, test.log10_p) == (0, 1, 0)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (300, 300), (300, 400), (1, 5), (7, 100)])
@pytest.mark.parametrize("shift", [0.0, 0.3, 3.0])
def test_p_values_are_those_of_scipy(n, m, shift):
    first, second = sample(n), sample(m, shift, seed=1)
    expected = stats.ks_2samp(first.numpy(), second.numpy(), method="exact")
    test = kolmogorov_smirnov(first, second)
    assert test.statistic == pytest.approx(float(expected.statistic), abs=1e-12)
    assert test.p_value == pytest.approx(float(expected.pvalue), rel=1e-9)


@settings(deadline=None)
@given(SAMPLE, SAMPLE)
def test_a_ratio_and_its_inverse_give_the_same_even_with_ties(first, second):
    x, y = torch.tensor(first).double(), torch.tensor(second).double()
    assert kolmogorov_smirnov(x, y) == kolmogorov_smirnov(-x, -y)
    assert kolmogorov_smirnov(x, y) == kolmogorov_smirnov(x.exp(), y.exp())
    assert kolmogorov_smirnov(x, y).log10_p == pytest.approx(kolmogorov_smirnov(y, x).log10_p, abs=1e-9)


def test_more_rows_of_the_same_gap_give_a_smaller_p():
    tests = [kolmogorov_smirnov(torch.arange(n) / n, torch.arange(n) / n + 0.4) for n in (300, 400)]
    assert tests[0].statistic == pytest.approx(tests[1].statistic, abs=0.01)
    assert tests[1].log10_p < tests[0].log10_p - 5


def test_few_of_many_samples_of_one_distribution_are_told_apart():
    tests = [forget_quality(sample(40, seed=seed), sample(40, seed=1000 + seed)) for seed in range(200)]
    rejected = sum(test.p_value < 0.05 for test in tests)
    assert 0 < rejected <= 20  # 10 expected at most, with a standard deviation of 3


def test_float_and_double_samples_compare():
    assert kolmogorov_smirnov(sample(5).float(), sample(5, 9)).statistic == 1


@pytest.mark.parametrize("second", [torch.zeros(0), torch.tensor([math.nan])])
def test_samples_without_numbers_are_refused(second):
    with pytest.raises(InputError, match="two samples"):
        kolmogorov_smirnov(torch.zeros(3), second)
