from __future__ import annotations

from functools import partial

import pytest
import torch

from lethe.auditing.contrast import Contrast, contrast
from lethe.auditing.estimates import chi_squared, hockey_stick, mmd
from lethe.auditing.kernels import pair
from tests.auditing.samples import LEVEL, at_level, compared, repeated, three

DIVERGENCES = [mmd, partial(chi_squared, regularisation=0.1), partial(hockey_stick, regularisation=1.0, epsilon=0.5)]
EVERYTHING_ALIKE = (0.0, 0.0, 0.0)
EQUALLY_FAR = (0.7, 0.0, 0.0)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("aligned", [True, False])
def test_exchanging_y_and_z_changes_the_sign_and_p_values_sum_to_one(divergence, aligned, generator):
    x, y, z = three(60, (0, 0.3, 0.5), generator)
    forth, back = (compared(order, divergence, aligned) for order in ((x, y, z), (x, z, y)))
    torch.testing.assert_close(forth.value, -back.value)
    torch.testing.assert_close(forth.p_values + back.p_values, torch.ones_like(forth.value))
    torch.testing.assert_close(forth.reversed().p_values, back.p_values)


@pytest.mark.parametrize("shifts", [EVERYTHING_ALIKE, EQUALLY_FAR])
@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_rejections_stay_at_the_level_where_y_and_z_are_equally_far(shifts, shared):
    rejected = [
        compared(samples).p_value(generator) <= LEVEL for samples, generator in repeated(200, 100, shifts, shared)
    ]
    assert sum(rejected) / 200 <= at_level(rejected)


def test_a_single_bandwidth_reaches_its_level():
    """A test that never rejects would stay within every level."""
    widths = torch.tensor([2.0], dtype=torch.float64)
    rejected = [
        float(compared(s, widths=widths).p_values[0]) <= LEVEL for s, _ in repeated(400, 100, EQUALLY_FAR, seed=1)
    ]
    assert 2 * LEVEL - at_level(rejected) <= sum(rejected) / 400 <= at_level(rejected)


def test_the_best_of_many_bandwidths_in_hindsight_exceeds_the_level_that_aggregation_keeps():
    widths = torch.logspace(-1.5, 1.5, 10, dtype=torch.float64)
    hindsight, aggregated = [], []
    for samples, generator in repeated(200, 100, EQUALLY_FAR):
        found = compared(samples, widths=widths)
        hindsight.append(float(found.p_values.min()) <= LEVEL)
        aggregated.append(found.p_value(generator) <= LEVEL)
    assert sum(hindsight) / 200 > at_level(hindsight)
    assert sum(aggregated) / 200 <= at_level(aggregated)


def power(n: int, shift: float) -> float:
    """Share of 50 samples in which X is found closer to Z where only Y is shifted."""
    return sum(compared(s).p_value(g) <= LEVEL for s, g in repeated(50, n, (0, shift, 0))) / 50


def test_power_grows_with_the_shift_and_with_the_sample():
    assert power(100, 0.1) < power(100, 0.4) < power(100, 0.8)
    assert power(100, 0.8) > 0.9
    assert power(50, 0.3) < power(200, 0.3)


@pytest.mark.parametrize("divergence", DIVERGENCES[:2])
def test_the_paired_deviation_is_that_of_t_and_the_independent_one_too_large_on_shared_inputs(divergence):
    values, paired, independent = [], [], []
    for samples, _ in repeated(150, 100, EQUALLY_FAR, shared=0.9):
        found = compared(samples, divergence)
        values.append(found.value)
        paired.append(found.deviation)
        independent.append(compared(samples, divergence, aligned=False).deviation)
    actual = torch.stack(values).std(0)
    torch.testing.assert_close(torch.stack(paired).mean(0), actual, rtol=0.25, atol=0)
    assert bool((torch.stack(independent).mean(0) > 1.5 * actual).all())


def test_the_independent_form_takes_samples_of_different_sizes(generator):
    def draw(n, shift):
        return torch.randn(n, 2, generator=generator, dtype=torch.float64) + shift

    values, deviations = [], []
    for _ in range(150):
        found = compared((draw(60, 0.7), draw(90, 0.0), draw(150, 0.0)), aligned=False)
        values.append(found.value)
        deviations.append(found.deviation)
    torch.testing.assert_close(torch.stack(deviations).mean(0), torch.stack(values).std(0), rtol=0.25, atol=0)


def test_equal_references_are_neither_closer_nor_farther(generator):
    x, y, _ = three(50, (0, 0.3, 0), generator)
    found = compared((x, y, y))
    assert found.value.tolist() == [0] * 5
    assert found.p_values.tolist() == [0.5] * 5
    assert found.p_value(generator) == found.reversed().p_value(generator) == 1
    # The mean of seven equal divergences differs from one of them by rounding, which is no evidence.
    one = mmd(pair(x, y, torch.linspace(0.5, 3, 9, dtype=torch.float64)))
    rounded = contrast([one] * 7, [one])
    assert bool((rounded.value != 0).any())
    assert rounded.p_value(generator) == rounded.reversed().p_value(generator) == 1


def test_a_model_equal_to_one_reference_is_closer_to_it(generator):
    x, _, z = three(50, (0, 0, 1.0), generator)
    assert compared((x, x, z)).p_value(generator) > 0.99
    assert compared((x, z, x)).p_value(generator) < 0.01
    assert compared((x, x, x)).p_value(generator) == 1


def test_several_golds_are_averaged(generator):
    x, y, z = three(50, (0, 0.3, 0.6), generator)
    other = y + 0.2
    widths = torch.tensor([1.0], dtype=torch.float64)
    one, two, far = (mmd(pair(x, sample, widths)) for sample in (y, other, z))
    both = contrast([one, two], [far])
    torch.testing.assert_close(both.value, (one.value + two.value) / 2 - far.value)
    # The same gold twice is that gold, in value and in variance.
    twice, once = contrast([one, one], [far]), contrast([one], [far])
    torch.testing.assert_close(twice.deviation, once.deviation)


def test_the_aggregated_p_value_of_one_setting_is_its_normal_one():
    influence = torch.randn(1, 200, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    influence -= influence.mean()
    for wanted in (-1.0, 0.0, 1.5):
        deviation = influence.std() / 200**0.5
        found = Contrast((wanted * deviation).unsqueeze(0), (influence,))
        drawn = found.p_value(torch.Generator().manual_seed(4), draws=4000)
        assert drawn == pytest.approx(float(found.p_values[0]), abs=0.03)
