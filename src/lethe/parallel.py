"""Parallel: the processes that share one run; alone unless a launcher started several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Parallel(Protocol):
    """Several processes that each work on a share of every batch and hold the same weights after every step."""

    @property
    def count(self) -> int:
        """The number of processes."""

    @property
    def rank(self) -> int:
        """The number of this one, from 0; the first alone writes files and messages."""

    def begin(self, weights: Sequence[Tensor]) -> None:
        """Prepare for gradients that are added up from several parts."""

    def reduce_gradients(self, weights: Sequence[Tensor]) -> None:
        """Replace each weight's gradient by its sum over processes."""

    def reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over processes, in place."""

    def require_whole(self, what: str) -> None:
        """Raise ConfigurationError where this process does not hold whole weights, which `what` reads."""

    def require_alone(self, what: str) -> None:
        """Raise ConfigurationError where there are other processes, between which `what` cannot be divided."""


class Alone:
    """One process: nothing to share."""

    count = 1
    rank = 0

    def begin(self, weights: Sequence[Tensor]) -> None:
        """There is nothing to prepare."""

    def reduce_gradients(self, weights: Sequence[Tensor]) -> None:
        """There is nothing to add."""

    def reduce(self, tensors: Sequence[Tensor]) -> None:
        """There is nothing to add."""

    def require_whole(self, what: str) -> None:
        """All weights are here."""

    def require_alone(self, what: str) -> None:
        """There is nobody else."""
