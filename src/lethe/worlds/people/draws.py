"""Draws: choices from a seed, by name, so that adding one purpose changes no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from lethe.run import Run

T = TypeVar("T")


@dataclass(frozen=True)
class Draws:
    """Random choices that depend on the seed and on what they are for, and on nothing else.

    Args:
        seed: the seed they all come from.
    """

    seed: int

    def order(self, count: int, *purpose: object) -> list[int]:
        """Return 0 … count-1 in random order."""
        return torch.randperm(count, generator=self._generator(purpose)).tolist()

    def shuffled(self, values: Sequence[T], *purpose: object) -> list[T]:
        """Return the values in random order."""
        return [values[i] for i in self.order(len(values), *purpose)]

    def number(self, low: int, high: int, *purpose: object) -> int:
        """Return a whole number from low to high, both included."""
        return int(torch.randint(low, high + 1, (), generator=self._generator(purpose)))

    def others(self, truth: T, values: Sequence[T], count: int, *purpose: object) -> list[T]:
        """Return `count` distinct values that are not the truth."""
        return [value for value in self.shuffled(values, *purpose) if value != truth][:count]

    def _generator(self, purpose: tuple[object, ...]) -> torch.Generator:
        return Run(seed=self.seed).generator("people", *purpose)
