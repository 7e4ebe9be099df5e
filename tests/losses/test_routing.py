"""The router anchor is the squared distance to one expert, and pulls tokens there."""

from __future__ import annotations

import pytest
import torch

from lethe import losses

LOGITS = torch.randn(7, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_is_the_squared_norm_and_the_release_is_that_over_the_experts():
    expected = [sum((g - (e == 3)) ** 2 for e, g in enumerate(row)) for row in LOGITS.softmax(-1).tolist()]
    assert losses.router_anchor(LOGITS, 3).tolist() == pytest.approx(expected, abs=1e-12)
    assert losses.router_anchor(LOGITS, 3, "mean").tolist() == pytest.approx([v / 8 for v in expected], abs=1e-12)


def test_descent_sends_the_tokens_to_the_expert():
    logits = LOGITS.clone().requires_grad_()
    for _ in range(200):
        (slope,) = torch.autograd.grad(losses.router_anchor(logits, 3).sum(), logits)
        logits = (logits - 2 * slope).detach().requires_grad_()
    assert logits.softmax(-1)[:, 3].min() > 0.95
    assert losses.router_anchor(torch.eye(8) * 100, 3)[3].item() == 0


def test_an_expert_that_is_not_there_is_refused():
    with pytest.raises(RuntimeError):
        losses.router_anchor(LOGITS, 8)
    with pytest.raises(RuntimeError):
        losses.router_anchor(LOGITS, -1)
