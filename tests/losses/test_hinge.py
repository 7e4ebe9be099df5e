"""The inverted hinge loss acts on probabilities, is bounded, and touches few tokens."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe import losses


@given(st.lists(st.floats(-500, 500), min_size=4, max_size=4), st.integers(0, 3))
def test_the_range_is_zero_to_two(row, target):
    loss = losses.inverted_hinge(torch.tensor([row]), torch.tensor([target])).item()
    assert 0 <= loss <= 2


def test_it_is_two_where_the_model_is_sure_and_zero_where_it_is_sure_of_another_token():
    logits = torch.tensor([[200.0, 0.0, 0.0], [0.0, 200.0, 0.0], [0.0, 0.0, 0.0]])
    assert losses.inverted_hinge(logits, torch.tensor([0, 0, 0])).tolist() == pytest.approx([2, 0, 1], abs=1e-6)


def test_the_gradient_is_the_one_the_method_is_built_for():
    logits = torch.randn(20, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    targets = torch.randint(0, 6, (20,), generator=torch.Generator().manual_seed(1))
    (actual,) = torch.autograd.grad(losses.inverted_hinge(logits, targets).sum(), logits)
    for i, p in enumerate(logits.detach().softmax(-1).tolist()):
        x = int(targets[i])
        top = max((v for v in range(6) if v != x), key=lambda v: p[v])
        expected = [p[v] * (p[top] - p[x]) for v in range(6)]
        expected[x] = p[x] * (p[top] - p[x] + 1)
        expected[top] = p[top] * (p[top] - p[x] - 1)
        assert actual[i].tolist() == pytest.approx(expected, abs=1e-12)


def test_other_tokens_are_left_alone_where_true_token_and_runner_up_are_equal():
    logits = torch.tensor([[1.0, 1.0, -2.0, 0.5]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(losses.inverted_hinge(logits, torch.tensor([0])).sum(), logits)
    assert slope[0, 2:].tolist() == [0, 0]
    assert slope[0, 0].item() > 0 > slope[0, 1].item()
