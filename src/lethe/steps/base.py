"""Step: how the gradients of the named terms become one update."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lethe.terms import Terms

TINY = 1e-12  # added to norms that are divided by


class Step(ABC):
    """One update of the weights. Subclasses are frozen dataclasses without state.

    Class attributes:
        needs: the terms that must be there together in every step; a method that cannot give them is refused.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def requirements(self) -> frozenset[str]:
        """Return the terms this configuration needs in every step; `needs` unless an option changes it."""
        return self.needs

    @abstractmethod
    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once and return the terms' values, detached.

        Args:
            model: the model being unlearned.
            terms: differentiates the objective at the current weights; may be asked again at others.
            optimizer: holds the weights that may move.
        """

    def optimizer(
        self, weights: Sequence[nn.Parameter], learning_rate: float, weight_decay: float
    ) -> torch.optim.Optimizer | None:
        """Return the optimiser this step works with, or None where it works with any."""
        return None

    def check(self, steps: int) -> None:  # noqa: B027 - most steps do with any number
        """Raise ConfigurationError where a run of so many steps, or this combination of parts, makes no sense."""

    def finish(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> bool:
        """Turn the weights after the last step into the result, and return whether that moved them."""
        return False


def moving(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the weights the optimiser moves, in its order."""
    return [p for group in optimizer.param_groups for p in group["params"]]


@contextmanager
def restored(weights: Sequence[Tensor]) -> Iterator[None]:
    """Let the block move the weights, and give them their bits back afterwards."""
    before = [w.detach().clone() for w in weights]
    try:
        yield
    finally:
        with torch.no_grad():
            # Copied back, not subtracted: θ + e - e is not θ in floating point. One by one, as shards are copied.
            for weight, kept in zip(weights, before, strict=True):
                weight.copy_(kept)


@torch.no_grad()
def shift(weights: Sequence[Tensor], along: Sequence[Tensor], length: float) -> None:
    """Move the weights by a multiple of a vector, in place."""
    for weight, direction in zip(weights, along, strict=True):
        weight.add_(direction, alpha=length)


def gradients(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the weights' gradients, zeros where there is none, and leave the weights without."""
    found = [w.grad if w.grad is not None else torch.zeros_like(w) for w in weights]
    for weight in weights:
        weight.grad = None
    return found


def memory(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return what steps remember between updates, tensors and numbers by name, to be read and written in place.

    It is part of the optimiser's state, so that snapshots hold it and a resumed run goes on with the same bits. It
    stands at a number that is no parameter's: there no optimiser looks, and nothing is cast to a parameter's type.
    """
    found: dict[str, Any] = optimizer.state.setdefault(-1, {})  # type: ignore[call-overload]
    return found


def norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the Euclidean norm over all tensors together."""
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(t) for t in tensors]))
