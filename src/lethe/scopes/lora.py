"""LoRA: no weight of the model moves, but a low-rank addition to some of its matrices does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from lethe import adapters
from lethe.errors import ConfigurationError
from lethe.scopes.base import Bound, Mask, Scope

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class LoRA(Scope):
    """Low-rank adaptation: train A and B of W + (alpha/rank)·B·A; every weight of the model keeps its bits.

    The result is saved as an adapter of peft, a few megabytes beside the original, or merged into the weights.

    Args:
        rank: rank of the addition.
        alpha: its scale is alpha / rank.
        dropout: share of the adapter's inputs that is dropped in training.
        targets: last parts of the names of the linear layers to adapt; empty for all but the head.
        merge: add B·A to the weights at the end, so that the result is a model of the original's shape.

    Source: Hu et al. 2022, arXiv:2106.09685.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    merge: bool = False

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigurationError(f"rank must be at least 1, not {self.rank}")

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Raise ConfigurationError: what moves here are weights that the model does not have yet."""
        raise ConfigurationError(
            "LoRA adds weights and moves none of the model's own, so it cannot be combined with a scope that chooses "
            "among those; name the layers to adapt with scope.targets"
        )

    def bind(self, model: nn.Module, problem: Problem, run: Run) -> Bound:
        """Put the adapters into the model and freeze everything else."""
        self.adapt(model, problem, run)
        return BoundAdapters(model, self.merge)

    def adapt(self, model: nn.Module, problem: Problem, run: Run) -> None:
        """Put the adapters into the model, which computes what it did before."""
        targets = self.targets or tuple(sorted(adapters.linear_names(model)))
        adapters.inject(model, targets, self.rank, self.alpha, self.dropout, run.key("lora") % 2**31)


class BoundAdapters:
    """Adapters at work in one model; everything else is frozen."""

    divides = False

    def __init__(self, model: nn.Module, merge: bool) -> None:
        self._model, self._merge = model, merge
        model.requires_grad_(False)
        for parameter in adapters.adapter_parameters(model):
            parameter.requires_grad_(True)

    def restore(self, step: int = 0) -> None:
        """The optimiser holds the adapters alone: there is nothing to put back."""

    def freeze_norms(self, everywhere: bool) -> None:
        """Keep the running statistics of all batch norms: none of their weights may move."""
        for module in self._model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    def release(self, model: nn.Module) -> None:
        """Merge the adapters where that was asked for, and let every weight be differentiable again."""
        if self._merge:
            adapters.merge(model)
        model.requires_grad_(True)
