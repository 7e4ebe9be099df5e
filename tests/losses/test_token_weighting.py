"""WGA and SatImp weigh each token by its own probability, and the weight gets no gradient."""

from __future__ import annotations

import math

import pytest
import torch

from lethe import losses

LOGITS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGETS = torch.randint(0, 5, (12,), generator=torch.Generator().manual_seed(1))


def true_probabilities() -> list[float]:
    return [row[int(t)] for row, t in zip(LOGITS.softmax(-1).tolist(), TARGETS, strict=True)]


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 5.0])
def test_wga_is_its_formula(beta):
    expected = [p**beta * math.log(p) for p in true_probabilities()]
    assert losses.wga(LOGITS, TARGETS, beta).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [(5.0, 1.0), (5.0, 0.1), (0.0, 2.0), (1.0, 0.0)])
def test_satimp_is_its_formula(first, second):
    expected = [p**first * (1 - p) ** second * math.log(p) for p in true_probabilities()]
    assert losses.satimp(LOGITS, TARGETS, first, second).tolist() == pytest.approx(expected, abs=1e-12)


def test_the_gradient_is_the_weight_times_that_of_ascent():
    logits = LOGITS.clone().requires_grad_()
    p = torch.tensor(true_probabilities(), dtype=torch.float64)
    for loss, weight in (
        (losses.wga(logits, TARGETS, 2.0), p**2),
        (losses.satimp(logits, TARGETS, 5.0, 1.0), p**5 * (1 - p)),
    ):
        (actual,) = torch.autograd.grad(loss.sum(), logits)
        (expected,) = torch.autograd.grad((weight * losses.token_log_probs(logits, TARGETS)).sum(), logits)
        torch.testing.assert_close(actual, expected, atol=1e-12, rtol=0)


def test_satimp_without_importance_is_wga_and_wga_with_zero_is_ascent():
    torch.testing.assert_close(losses.satimp(LOGITS, TARGETS, 3.0, 0.0), losses.wga(LOGITS, TARGETS, 3.0))
    torch.testing.assert_close(losses.wga(LOGITS, TARGETS, 0.0), losses.token_log_probs(LOGITS, TARGETS))


def test_certain_tokens_give_finite_gradients():
    logits = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]], requires_grad=True)
    for importance in (0.0, 0.1, 1.0):
        loss = losses.satimp(logits, torch.tensor([0, 0]), 5.0, importance).sum()
        (slope,) = torch.autograd.grad(loss, logits)
        assert bool(torch.isfinite(slope).all())
