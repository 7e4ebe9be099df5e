"""Nearby queries: the unlearning mapping attack, projected gradient descent to the query that restores an output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.errors import ConfigurationError

Judged = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From queries [B, ...] to the discrepancy of each, [B], and whether it restores the output, [B] booleans."""


@dataclass(frozen=True)
class Search:
    """How nearby queries are searched.

    Args:
        steps: gradient steps T for each radius.
        step_share: step size as a share of the radius.
        restarts: random starts for each radius, beside the best query of the radius before.
        lowest: smallest value a query may have.
        highest: largest value a query may have.
    """

    steps: int = 20
    step_share: float = 0.25
    restarts: int = 1
    lowest: float = 0.0
    highest: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.restarts < 0 or not self.step_share > 0 or not self.lowest < self.highest:
            raise ConfigurationError(f"{self} is no search: steps and restarts from 0, and lowest below highest")


@dataclass(frozen=True, eq=False)
class Found:
    """The best queries within one radius.

    Attributes:
        radius: ε.
        queries: [B, ...] x + δ*, in range, with ‖δ*‖_∞ ≤ ε.
        discrepancy: [B] 𝓛 of each.
        restored: [B] whether it restores the output.
    """

    radius: float
    queries: Tensor
    discrepancy: Tensor
    restored: Tensor


def nearby(
    judged: Judged, inputs: Tensor, radii: Sequence[float], search: Search, generator: torch.Generator
) -> list[Found]:
    """Return the best queries x + δ*, δ* = argmin_{‖δ‖_∞ ≤ ε} 𝓛(x + δ), for ascending radii ε.

    δ ← Π_ε(δ - a · sign ∇_δ 𝓛), clipped to the ball and x + δ to the valid range, each example for itself. The best
    query seen counts, x itself and each random start included: one that restores the output before one that does not,
    then the one of lower discrepancy. A radius starts from the best of the radius before, so that what was found
    within a smaller ball is found within a larger one.

    Args:
        judged: 𝓛 and success of queries; gradients flow through 𝓛. 𝓛 is the cross-entropy against the label the
            original gives for classifiers, ‖f_u(q) - f_o(x)‖² for generators.
        inputs: [B, ...] x, within the range.
        radii: ε, ascending, 0 or more.
        search: steps, starts and range.
        generator: where random starts come from, on the CPU.

    Raises:
        ConfigurationError: the radii do not ascend.

    Source: Xuan & Li 2025, arXiv:2504.14798.
    """
    if any(radius < 0 for radius in radii) or list(radii) != sorted(radii):
        raise ConfigurationError(f"radii must ascend from 0 or more, not {tuple(radii)}")
    best = _start(judged, inputs)
    found = []
    for radius in radii:
        noise = [
            (2 * torch.rand(inputs.shape, generator=generator) - 1).to(inputs) * radius for _ in range(search.restarts)
        ]
        for start in [best.queries - inputs, *noise]:
            best = _descended(judged, inputs, radius, search, _within(inputs, start, radius, search), best)
        best = Found(radius, best.queries, best.discrepancy, best.restored)
        found.append(best)
    return found


def _descended(judged: Judged, inputs: Tensor, radius: float, search: Search, queries: Tensor, best: Found) -> Found:
    """Return the best of what was seen before and of all queries of one descent."""
    for step in range(search.steps + 1):
        queries = queries.detach().requires_grad_(True)
        with torch.enable_grad():
            discrepancy, restored = judged(queries)
            gradient = torch.autograd.grad(discrepancy.sum(), queries)[0] if step < search.steps else None
        best = _better(best, queries.detach(), discrepancy.detach(), restored)
        if gradient is not None and radius > 0:
            moved = queries.detach() - search.step_share * radius * gradient.sign()
            queries = _within(inputs, moved - inputs, radius, search)
    return best


def _start(judged: Judged, inputs: Tensor) -> Found:
    with torch.no_grad():
        discrepancy, restored = judged(inputs)
    return Found(0.0, inputs, discrepancy, restored)


def _within(inputs: Tensor, change: Tensor, radius: float, search: Search) -> Tensor:
    """Return the queries x + δ with δ in the ball and the query in range."""
    return (inputs + change.clamp(-radius, radius)).clamp(search.lowest, search.highest)


def _better(best: Found, queries: Tensor, discrepancy: Tensor, restored: Tensor) -> Found:
    """Return for each example the better of two queries."""
    same = restored == best.restored
    taken = (restored & ~best.restored) | (same & (discrepancy < best.discrepancy))
    shape = (-1,) + (1,) * (queries.dim() - 1)
    return Found(
        best.radius,
        torch.where(taken.view(shape), queries, best.queries),
        torch.where(taken, discrepancy, best.discrepancy),
        torch.where(taken, restored, best.restored),
    )
