"""Step: how the gradients of the named terms become one update."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.terms import Terms


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
            terms: differentiates the objective at the current weights; may be asked again at others.
            optimizer: holds the weights that may move.
        """

    def optimizer(
        self, weights: Sequence[nn.Parameter], learning_rate: float, weight_decay: float
    ) -> torch.optim.Optimizer | None:
        """Return the optimiser this step works with, or None where it works with any."""
        return None


def moving(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the weights the optimiser moves, in its order."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the Euclidean norm over all tensors together."""
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(t) for t in tensors]))
