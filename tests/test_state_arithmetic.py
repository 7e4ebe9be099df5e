"""Arithmetic on weights touches parameters only, and the model it starts from not at all."""

from __future__ import annotations

import torch

from lethe.models import copied, same_weights
from lethe.state_arithmetic import difference, moved, weights, with_weights
from tests.helpers import tiny_problem


def test_walking_along_a_difference_leads_from_one_model_to_the_other():
    one = tiny_problem().model
    other, kept = copied(one), copied(one)
    with torch.no_grad():
        other.head.weight.add_(0.5)
        other.norm.running_mean.add_(1.0)
    reached = with_weights(one, moved(weights(one), difference(other, one), 1.0))
    torch.testing.assert_close(reached.head.weight, other.head.weight)
    assert torch.equal(reached.first.weight, one.first.weight)
    assert torch.equal(reached.norm.running_mean, one.norm.running_mean)
    assert same_weights(one, kept)
