"""The primal-dual step: where it moves the weights, and how its multiplier follows the retain loss."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lethe.steps import PrimalDual, Terms
from lethe.steps.base import memory


class Point(nn.Module):
    """One number."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor([1.0]))


def terms(point, shares=(1.0,)):
    """Forget at 3, retain at 0: x - 3 squared and x squared, in parts that add up."""
    parts = [
        lambda share=share: {"forget": share * (point.x[0] - 3) ** 2, "retain": share * point.x[0] ** 2}
        for share in shares
    ]
    return Terms(parts)


@pytest.mark.parametrize("shares", [(1.0,), (0.25, 0.75)])
def test_the_weights_move_first_and_the_multiplier_by_the_loss_before(shares):
    point = Point()
    optimizer = torch.optim.SGD(point.parameters(), lr=0.1)
    values = PrimalDual(multiplier=2.0, tolerance=0.25, dual_rate=4.0)(point, terms(point, shares), optimizer)
    # Gradient at 1: -4 + 2 · 2 = 0. Multiplier: 2 + 4 (1 - 0.25) = 5.
    assert float(point.x.detach()) == pytest.approx(1.0)
    assert memory(optimizer)["multiplier"] == pytest.approx(5.0)
    assert {name: float(value) for name, value in values.items()} == pytest.approx({"forget": 4.0, "retain": 1.0})
    PrimalDual(multiplier=2.0, tolerance=0.25, dual_rate=4.0)(point, terms(point, shares), optimizer)
    # Now with λ = 5: -4 + 10 = 6.
    assert float(point.x.detach()) == pytest.approx(0.4)
    assert memory(optimizer)["multiplier"] == pytest.approx(8.0)


def test_the_multiplier_is_never_negative_and_waits_for_its_warm_up():
    point = Point()
    optimizer = torch.optim.SGD(point.parameters(), lr=0.0)
    step = PrimalDual(multiplier=1.0, tolerance=100.0, dual_rate=1.0, warmup=2)
    seen = []
    for _ in range(3):
        step(point, terms(point), optimizer)
        seen.append(memory(optimizer)["multiplier"])
    assert seen == [1.0, 1.0, 0.0]


def test_it_ends_on_the_limit():
    """min (x - 3)² subject to x² ≤ 1 has x = 1 and λ = 2."""
    point = Point()
    optimizer = torch.optim.SGD(point.parameters(), lr=0.02)
    step = PrimalDual(multiplier=0.0, tolerance=1.0, dual_rate=0.05)
    for _ in range(600):
        step(point, terms(point), optimizer)
    assert float(point.x.detach()) == pytest.approx(1.0, abs=0.02)
    assert memory(optimizer)["multiplier"] == pytest.approx(2.0, abs=0.05)
