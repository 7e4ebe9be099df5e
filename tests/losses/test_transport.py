"""The sliced Wasserstein distance sees the distribution of rows, not their order."""

from __future__ import annotations

import pytest
import torch

from lethe import losses

N, D = 12, 5


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_is_zero_with_zero_gradient_at_the_start_and_for_any_order_of_the_rows():
    before = torch.randn(N, D, generator=random(0))
    directions = losses.unit_directions(D, 100, random(1))
    now = before.clone().requires_grad_()
    distance = losses.sliced_wasserstein(before, now, directions)
    (slope,) = torch.autograd.grad(distance, now)
    assert distance.item() == 0
    assert int(slope.count_nonzero()) == 0
    permuted = before[torch.randperm(N, generator=random(2))]
    assert (permuted - before).norm() > 1
    assert losses.sliced_wasserstein(before, permuted, directions).item() == pytest.approx(0, abs=1e-10)


def test_a_shift_of_all_rows_costs_their_number_times_its_square_over_the_width():
    before = torch.randn(N, D, generator=random(0))
    shift = torch.randn(D, generator=random(3))
    directions = losses.unit_directions(D, 20_000, random(1))
    expected = N * float(shift.square().sum()) / D
    assert losses.sliced_wasserstein(before, before + shift, directions).item() == pytest.approx(expected, rel=0.05)


def test_a_vector_is_one_row():
    before, now = torch.randn(D, generator=random(0)), torch.randn(D, generator=random(1))
    directions = losses.unit_directions(D, 20_000, random(2))
    expected = float((now - before).square().sum()) / D
    assert losses.sliced_wasserstein(before, now, directions).item() == pytest.approx(expected, rel=0.05)


def test_it_is_its_formula_in_float64():
    before, now = (torch.randn(N, D, generator=random(s), dtype=torch.float64) for s in (0, 1))
    directions = losses.unit_directions(D, 7, random(2))
    for power in (1, 2, 3):
        expected = 0.0
        for k in range(7):
            column = directions[:, k].double()
            first, second = (sorted((w @ column).tolist()) for w in (before, now))
            expected += sum(abs(a - b) ** power for a, b in zip(first, second, strict=True)) / 7
        actual = losses.sliced_wasserstein(before, now, directions, power)
        assert actual.item() == pytest.approx(expected, abs=1e-10)


def test_only_the_current_weight_gets_a_gradient_and_a_step_down_it_shortens_the_distance():
    before = torch.randn(N, D, generator=random(0), requires_grad=True)
    now = torch.randn(N, D, generator=random(1), requires_grad=True)
    directions = losses.unit_directions(D, 100, random(2))
    distance = losses.sliced_wasserstein(before, now, directions)
    slope, none = torch.autograd.grad(distance, [now, before], allow_unused=True)
    assert none is None
    assert losses.sliced_wasserstein(before, now - slope, directions) < 0.7 * distance


def test_bfloat16_weights_are_compared_in_float32():
    before = torch.randn(N, D, generator=random(0)).bfloat16()
    now = torch.randn(N, D, generator=random(1)).bfloat16()
    directions = losses.unit_directions(D, 10, random(2))
    actual = losses.sliced_wasserstein(before, now, directions)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, losses.sliced_wasserstein(before.float(), now.float(), directions))


def test_directions_come_from_the_generator_have_length_one_and_no_preference():
    drawn = losses.unit_directions(D, 20_000, random(1))
    assert torch.equal(drawn, losses.unit_directions(D, 20_000, random(1)))
    torch.testing.assert_close(drawn.norm(dim=0), torch.ones(20_000))
    # Uniform on the sphere: E[P Pᵀ] = I/d, and no mean.
    torch.testing.assert_close(drawn @ drawn.T / 20_000, torch.eye(D) / D, atol=0.01, rtol=0)
    assert drawn.mean(1).abs().max() < 0.02
