"""Losses on features are the formulas that they are named after."""

from __future__ import annotations

import math

import pytest
import torch

from lethe import losses


def test_no_logits_of_a_norm_are_more_certain_than_its_bound_and_some_are_as_certain() -> None:
    generator = torch.Generator().manual_seed(0)
    for classes in (2, 3, 10, 100):
        logits = torch.randn(5000, classes, generator=generator).double() * torch.rand(5000, 1, generator=generator) * 9
        bounds = [losses.largest_probability(float(radius), classes) for radius in logits.norm(dim=1)]
        assert bool((logits.softmax(1).amax(1) <= torch.tensor(bounds, dtype=torch.float64) + 1e-12).all())
        extreme = torch.full((classes,), -1.0, dtype=torch.float64)
        extreme[0] = classes - 1
        reached = float(extreme.softmax(0)[0])
        assert reached == pytest.approx(losses.largest_probability(float(extreme.norm()), classes), rel=1e-12)


def test_the_pull_to_the_origin_has_length_1_everywhere_but_at_the_origin() -> None:
    values = torch.tensor([[3.0, 4.0], [1e-3, 0.0], [0.0, 0.0]], requires_grad=True)
    losses.contraction(values).sum().backward()
    torch.testing.assert_close(values.grad.norm(dim=1), torch.tensor([1.0, 1.0, 0.0]), rtol=1e-5, atol=0.0)


def test_a_row_of_zeros_has_a_cosine_distance_of_1_and_a_finite_gradient() -> None:
    row = torch.zeros(1, 3, requires_grad=True)
    distance = losses.cosine_distance(row, torch.ones(1, 3))
    assert distance.item() == 1.0
    distance.sum().backward()
    assert bool(torch.isfinite(row.grad).all())


def test_powers_keep_signs_and_pass_no_infinite_gradient_through_dropped_units() -> None:
    features = torch.tensor([4.0, 0.0, -9.0, 0.25], requires_grad=True)
    kept = torch.tensor([1.0, 0.0, 1.0, 1.0])
    losses.tukey(features * kept, 0.5).sum().backward()
    torch.testing.assert_close(features.grad, torch.tensor([0.25, 0.0, 1 / 6, 1.0]))


def test_the_distance_to_a_class_is_the_quadratic_form_of_directions() -> None:
    generator = torch.Generator().manual_seed(0)
    features, mean = torch.rand(7, 4, generator=generator).double(), torch.rand(4, generator=generator).double()
    whitening = torch.randn(4, 4, generator=generator).double()
    for row, distance in zip(features, losses.class_distance(features, mean, whitening), strict=True):
        u = row / math.sqrt(float(row @ row)) - mean / math.sqrt(float(mean @ mean))
        assert float(distance) == pytest.approx(float(u @ (whitening.T @ whitening) @ u))
    plain = losses.class_distance(features, mean, torch.eye(4).double())
    torch.testing.assert_close(plain, 2 * losses.cosine_distance(features, mean.expand(7, 4)))
