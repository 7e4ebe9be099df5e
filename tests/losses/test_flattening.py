"""Losses that flatten the prediction are smallest for the uniform one."""

from __future__ import annotations

import math

import pytest
import torch

from lethe import losses

LOGITS = torch.randn(9, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGETS = torch.randint(0, 6, (9,), generator=torch.Generator().manual_seed(1))


def test_the_margin_is_that_of_the_largest_logit_over_the_mean_squared():
    expected = [(max(row) - sum(row) / 6) ** 2 for row in LOGITS.tolist()]
    assert losses.logit_margin_flattening(LOGITS).tolist() == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(
        losses.logit_margin_flattening(LOGITS + 40), losses.logit_margin_flattening(LOGITS), atol=1e-10, rtol=0
    )
    assert losses.logit_margin_flattening(torch.full((1, 6), 3.0)).item() == 0


def test_the_margin_keeps_its_gradient_where_entropy_loses_it():
    logits = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    (flat,) = torch.autograd.grad(losses.logit_margin_flattening(logits).sum(), logits)
    (entropy,) = torch.autograd.grad(losses.negative_entropy(logits).sum(), logits)
    assert flat[0, 0].item() > 1
    assert entropy.abs().max().item() < 1e-6


def test_the_correct_logit_is_clipped_with_no_gradient_below_the_floor():
    logits = LOGITS.clone().requires_grad_()
    own = [row[int(t)] - sum(row) / 6 for row, t in zip(LOGITS.tolist(), TARGETS, strict=True)]
    assert min(own) < 0 < max(own)
    loss = losses.correct_logit(logits, TARGETS)
    assert loss.tolist() == pytest.approx([max(v, 0.0) for v in own], abs=1e-12)
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    for i, value in enumerate(own):
        expected = [float(v == int(TARGETS[i])) - 1 / 6 if value > 0 else 0.0 for v in range(6)]
        assert slope[i].tolist() == pytest.approx(expected, abs=1e-12)
    unclipped = losses.correct_logit(LOGITS, TARGETS, floor=-math.inf)
    assert unclipped.tolist() == pytest.approx(own, abs=1e-12)


def test_negative_entropy_is_its_formula_and_lowest_for_the_uniform_prediction():
    expected = [sum(p * math.log(p) for p in row) for row in LOGITS.softmax(-1).tolist()]
    actual = losses.negative_entropy(LOGITS)
    assert actual.tolist() == pytest.approx(expected, abs=1e-12)
    assert bool((actual > losses.negative_entropy(torch.zeros(1, 6, dtype=torch.float64))).all())
