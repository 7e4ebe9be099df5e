"""A model that is nothing but its weights, for steps on problems small enough to work out by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from lethe.steps import Step, Terms
from lethe.terms import Asked

Evaluate = Callable[[Tensor], Mapping[str, Tensor]]


class Point(nn.Module):
    """One vector of weights, in double precision."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values, dtype=torch.float64))


class Walk:
    """A step taken again and again from a point.

    Args:
        step: what is tried.
        start: the weights at first.
        parts: each evaluates the terms of one part of the batch.
        rate: learning rate.
        training: evaluates the training loss for what a step asks.
        optimizer: makes the optimiser where the step brings none; SGD by default.
    """

    def __init__(
        self,
        step: Step,
        start: tuple[float, ...],
        *parts: Evaluate,
        rate: float = 0.1,
        training: Callable[[Tensor, Asked], Mapping[str, Tensor]] | None = None,
        optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
    ) -> None:
        self.step, self.point = step, Point(*start)
        self.parts, self.training = parts, training
        weights = list(self.point.parameters())
        self.optimizer = step.optimizer(weights, rate, 0.0) or optimizer(weights, lr=rate)
        self.taken = 0

    def __call__(self, steps: int = 1) -> Tensor:
        """Take some steps and return the weights."""
        for _ in range(steps):
            terms = Terms([lambda part=part: part(self.point.w) for part in self.parts], seed=self.taken)
            if self.training is not None:
                terms.training = lambda asked: [lambda: self.training(self.point.w, asked)]
            self.values = self.step(self.point, terms, self.optimizer)
            self.taken += 1
        return self.point.w.detach().clone()


def stepped(step: Step, start: tuple[float, ...], *parts: Evaluate, **options: object) -> Tensor:
    """Return the weights after one step."""
    return Walk(step, start, *parts, **options)()


def pair(forget: tuple[float, ...], retain: tuple[float, ...]) -> Evaluate:
    """Return linear terms: their gradients are the given vectors."""
    f, r = torch.tensor(forget, dtype=torch.float64), torch.tensor(retain, dtype=torch.float64)
    return lambda w: {"forget": (w * f).sum(), "retain": (w * r).sum()}


def vector(*values: float) -> Tensor:
    """Return a vector in double precision."""
    return torch.tensor(values, dtype=torch.float64)


def bowl(matrix: Tensor, centre: Tensor) -> Callable[[Tensor], Tensor]:
    """Return ½ (w - c)ᵀ A (w - c)."""
    return lambda w: 0.5 * (w - centre) @ matrix @ (w - centre)
