"""LoRA: no weight of the model moves, but a low-rank addition to some of its matrices does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn

from lethe import adapters
from lethe.errors import ConfigurationError
from lethe.scopes import fila
from lethe.scopes.base import Bound, Mask, Scope
from lethe.scopes.layers import matching

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
        targets: names of the linear layers to adapt, or their last parts; empty for all but the head.
        beside: patterns of the model's own parameters that move beside the adapters, as `classifier.*`; needs `merge`.
        merge: add B·A to the weights at the end, so that the result is a model of the original's shape.
        init: `random` begins with A random and B zero; `fila` with the part of each weight that matters for the forget
            set and not for the retain set, which is taken off the weights meanwhile. The result of that is an adapter
            of twice the rank beside the original's weights.
        batch_size: examples a batch where `fila` measures what matters.

    Source: Hu et al. 2022, arXiv:2106.09685; FILA: Cha et al. 2025, LoKU, arXiv:2408.06621.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    merge: bool = False
    init: Literal["random", "fila"] = "random"
    batch_size: int = 2

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigurationError(f"rank must be at least 1, not {self.rank}")
        if self.beside and not self.merge:
            raise ConfigurationError("what moves beside the adapters is no adapter: set merge, or leave out beside")

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Raise ConfigurationError: what moves here are weights that the model does not have yet."""
        raise ConfigurationError(
            "LoRA adds weights and moves none of the model's own, so it cannot be combined with a scope that chooses "
            "among those; name the layers to adapt with scope.targets"
        )

    def bind(self, model: nn.Module, problem: Problem, run: Run) -> Bound:
        """Put the adapters into the model and freeze everything else."""
        self.adapt(model, problem, run)
        if self.init == "random":
            return BoundAdapters(model, self.merge, self._beside(problem))
        first = fila.begin(model, fila.relative_importance(problem, self.batch_size, run))
        return BoundFila(model, self.merge, problem.model, first)

    def _beside(self, problem: Problem) -> frozenset[str]:
        """Return the names of the model's own parameters that move."""
        allowed = matching(self.beside, problem.model) if self.beside else {}
        return frozenset(name for name, moves in allowed.items() if moves)

    def adapt(self, model: nn.Module, problem: Problem, run: Run) -> None:
        """Put the adapters into the model, which computes what it did before."""
        targets = self.targets or tuple(sorted(adapters.linear_names(model)))
        adapters.inject(model, targets, self.rank, self.alpha, self.dropout, run.key("lora") % 2**31)


class BoundAdapters:
    """Adapters at work in one model; everything else but the parameters named is frozen."""

    divides = False

    def __init__(self, model: nn.Module, merge: bool, beside: Collection[str] = ()) -> None:
        self._model, self._merge = model, merge
        model.requires_grad_(False)
        for parameter in (*adapters.adapter_parameters(model), *(model.get_parameter(name) for name in beside)):
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


class BoundFila(BoundAdapters):
    """Adapters that began as parts of the weights, from which these parts are missing while it works."""

    def __init__(
        self, model: nn.Module, merge: bool, original: nn.Module, first: Mapping[str, tuple[Tensor, Tensor]]
    ) -> None:
        super().__init__(model, merge)
        self._original, self._first = original, first

    def release(self, model: nn.Module) -> None:
        """Give the weights the original's bits back, and let the adapters say what has changed since."""
        for name, layer in adapters.adapted_layers(model).items():
            layer.get_base_layer().weight.data.copy_(self._original.get_parameter(f"{name}.weight").detach())
        adapters.rebase(model, self._first)
        super().release(model)
