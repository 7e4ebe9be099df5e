"""A step that forgets first and repairs after: two updates a batch, by one optimiser or by two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.steps.base import Step, memory, moving
from lethe.terms import Terms


@dataclass(frozen=True)
class Alternating(Step):
    """θ ← optimiser(θ, ∇L_first), then θ ← optimiser'(θ, ∇ of all other terms) on the same batch.

    Args:
        max_norm: limit on the norm of the second gradient, as in Opt-Out's release, whose first update is not limited;
            0 sets none.
        first: names of the terms of the first update.
        apart: give each update moments of its own, as of two optimisers; otherwise they share them.
        rate: learning rate of the second update as a multiple of the first's.

    Source: Choi et al. 2025, Opt-Out, arXiv:2406.12329 (`alternate_updates` of its release); with `apart`, Shen et al.
        2024, LAF, arXiv:2404.00506.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})

    max_norm: float = 0.0
    first: tuple[str, ...] = ("forget",)
    apart: bool = False
    rate: float = 1.0

    def check(self, steps: int) -> None:
        """Raise ConfigurationError where the second update would not be one."""
        if not self.rate > 0 or self.max_norm < 0:
            raise ConfigurationError(
                f"rate must be positive and max_norm not negative, not {self.rate} and {self.max_norm}"
            )

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights twice and return the values before the first update."""
        weights = moving(optimizer)
        optimizer.zero_grad(set_to_none=True)
        values = terms.backward(weights, only=self.first)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        terms.backward(weights, but=self.first)
        if self.max_norm:
            nn.utils.clip_grad_norm_(weights, self.max_norm)
        with second(optimizer, self.apart, self.rate):
            optimizer.step()
        return values


@contextmanager
def second(optimizer: torch.optim.Optimizer, apart: bool, rate: float) -> Iterator[None]:
    """Let the optimiser be another one within the block: with its own moments, and another learning rate."""
    weights, rates = moving(optimizer), [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] *= rate
    firsts = exchanged(optimizer, weights, _stored(memory(optimizer), len(weights))) if apart else []
    try:
        yield
    finally:
        for group, before in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = before
        if apart:
            seconds = exchanged(optimizer, weights, firsts)
            # Between updates the second moments rest where snapshots of the optimiser hold them.
            memory(optimizer).update(
                {f"{i}/{name}": value for i, state in enumerate(seconds) for name, value in state.items()}
            )


def exchanged(
    optimizer: torch.optim.Optimizer, weights: list[Tensor], states: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Give each weight another state in the optimiser, and return those it had."""
    before = [dict(optimizer.state.get(weight, {})) for weight in weights]
    for weight, state in zip(weights, states, strict=True):
        optimizer.state[weight] = state
    return before


def _stored(kept: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    states: list[dict[str, Any]] = [{} for _ in range(count)]
    for key, value in kept.items():
        place, _, name = key.partition("/")
        if place.isdigit() and name:
            states[int(place)][name] = value
    return states
