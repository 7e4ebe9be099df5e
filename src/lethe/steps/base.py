"""Step: how the gradients of the named terms become one update."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

Terms = Callable[[], Mapping[str, Tensor]]


class Step(ABC):
    """One update of the weights. Subclasses are frozen dataclasses without state.

    Class attributes:
        needs: the terms that must be there together in every step; a method that cannot give them is refused.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once and return the terms' values, detached.

        Args:
            model: the model being unlearned.
            terms: evaluates the objective at the current weights; may be called again.
            optimizer: holds the weights that may move.
        """


def total(named: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of all terms, a scalar."""
    return torch.stack(list(named.values())).sum() if len(named) > 1 else next(iter(named.values()))


def detached(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the values alone."""
    return {name: value.detach() for name, value in named.items()}


def moving(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the weights the optimiser moves, in its order."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def norm(tensors: list[Tensor]) -> Tensor:
    """Return the Euclidean norm over all tensors together."""
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(t) for t in tensors]))
