"""NPO's own experiment, card 072: a classifier on random features, where ascent runs away and NPO keeps the rest."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from lethe import losses

WIDTH, FEATURES, FORGET, RETAIN = 16, 128, 200, 1000
STEPS = 2000


class World:
    """Two clouds of points with noisy labels, and heads on the same random features: original and retrained."""

    def __init__(self, seed: int = 0, shift: float = 1.0) -> None:
        random = torch.Generator().manual_seed(seed)
        first = torch.randn(FEATURES, WIDTH, generator=random, dtype=torch.float64) / math.sqrt(WIDTH)
        self.inputs, self.labels = {}, {}
        for name, count, side in (("forget", FORGET, 1), ("retain", RETAIN, -1)):
            centred = torch.randn(count, WIDTH, generator=random, dtype=torch.float64)
            toward = torch.sigmoid(centred.sum(1) / math.sqrt(WIDTH) + 1)
            drawn = (torch.rand(count, generator=random, dtype=torch.float64) < toward).long()
            self.labels[name] = drawn if name == "forget" else 1 - drawn
            self.inputs[name] = F.relu((centred + side * shift) @ first.T)
        self.original = self.fitted("forget", "retain")
        self.retrained = self.fitted("retain")

    def fitted(self, *names: str) -> torch.Tensor:
        """Return the head after 20 000 steps of gradient descent at 0.05."""
        inputs, labels = (torch.cat([kind[n] for n in names]) for kind in (self.inputs, self.labels))
        head = torch.zeros(FEATURES, dtype=torch.float64)
        for _ in range(20_000):
            # The logit of class 0 is a · x, that of class 1 is 0.
            wrong = torch.sigmoid(inputs @ head) - (labels == 0).double()
            head -= 0.05 * inputs.T @ wrong / len(labels)
        return head

    def log_probs(self, head: torch.Tensor, name: str) -> torch.Tensor:
        """Return log p of both classes, [n, 2]."""
        logit = self.inputs[name] @ head
        return torch.stack([F.logsigmoid(logit), F.logsigmoid(-logit)], 1)

    def own(self, head: torch.Tensor, name: str) -> torch.Tensor:
        """Return log p of the labels, [n]."""
        return self.log_probs(head, name).gather(1, self.labels[name].unsqueeze(1)).squeeze(1)

    def distance(self, head: torch.Tensor, name: str) -> float:
        """Return KL(retrained ‖ model) on the samples."""
        gold, found = self.log_probs(self.retrained, name), self.log_probs(head, name)
        return float((gold.exp() * (gold - found)).sum(1).mean())

    def unlearned(self, loss, rate: float, steps: int = STEPS) -> list[tuple[float, float, float]]:
        """Return (forget KL, retain KL, distance from the original) after every 25 steps of gradient descent."""
        head, path = self.original.clone().requires_grad_(), []
        for step in range(1, steps + 1):
            (slope,) = torch.autograd.grad(loss(head), head)
            with torch.no_grad():
                head -= rate * slope
                if step % 25 == 0:
                    moved = float((head - self.original).norm())
                    path.append((self.distance(head, "forget"), self.distance(head, "retain"), moved))
        return path


@pytest.fixture(scope="module")
def world():
    return World()


def ascent(world):
    return lambda head: world.own(head, "forget").mean()


def npo(world, beta=1.0):
    reference = world.own(world.original, "forget")
    return lambda head: losses.npo(world.own(head, "forget"), reference, beta).mean()


def with_retain(world, forget):
    return lambda head: forget(head) - world.own(head, "retain").mean()


@pytest.mark.slow
def test_npo_with_a_retain_loss_keeps_more_than_ascent_with_one_where_both_forgot_as_much(world):
    assert world.distance(world.original, "forget") > 1
    ascended = min(world.unlearned(with_retain(world, ascent(world)), 5e-4))
    preferred = min(world.unlearned(with_retain(world, npo(world)), 5e-3))
    assert ascended[0] < 0.05
    assert preferred[0] < 0.05
    assert preferred[1] < 0.6 * ascended[1]


@pytest.mark.slow
def test_ascent_leaves_the_original_linearly_and_npo_logarithmically(world):
    ascended, preferred = world.unlearned(ascent(world), 5e-4), world.unlearned(npo(world), 5e-3)
    assert ascended[-1][2] > 2 * ascended[STEPS // 50 - 1][2]
    assert preferred[-1][2] < 1.5 * preferred[STEPS // 50 - 1][2]
    assert ascended[-1][1] > 5 * preferred[-1][1]
