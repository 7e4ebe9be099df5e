"""The log-probability of the true token and the likeliest wrong one."""

from __future__ import annotations

import torch

from lethe import losses

LOGITS = torch.randn(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGETS = torch.randint(0, 7, (50,), generator=torch.Generator().manual_seed(1))


def test_ascent_has_the_opposite_gradient_of_cross_entropy():
    logits = LOGITS.clone().requires_grad_()
    (ascent,) = torch.autograd.grad(losses.token_log_probs(logits, TARGETS).mean(), logits)
    (descent,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, TARGETS), logits)
    torch.testing.assert_close(ascent, -descent, atol=1e-14, rtol=0)


def test_adversarial_labels_are_never_the_truth_and_are_the_argmax_where_that_is_wrong():
    labels = losses.likeliest_other(LOGITS, TARGETS)
    top = LOGITS.argmax(-1)
    assert not bool((labels == TARGETS).any())
    wrong = top != TARGETS
    assert 0 < int(wrong.sum()) < len(TARGETS)
    assert bool((labels == top)[wrong].all())
    assert labels[~wrong].tolist() == LOGITS[~wrong].topk(2).indices[:, 1].tolist()
