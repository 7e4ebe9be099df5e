"""Mask and Scope: which weights may move, and the promise that the others do not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True, eq=False)
class Mask:
    """Which weights may move.

    Args:
        allowed: parameter name to True (all of it), False (none of it) or a boolean tensor of its shape.
            A parameter that is not named may not move.
    """

    allowed: Mapping[str, bool | Tensor]

    def __and__(self, other: Mask) -> Mask:
        """Return the mask of the weights that both allow."""
        names = self.allowed.keys() & other.allowed.keys()
        return Mask({name: _both(self.allowed[name], other.allowed[name]) for name in self.allowed if name in names})

    def share(self, model: nn.Module) -> float:
        """Return the share of the model's weights that may move, in [0, 1]."""
        moving = total = 0
        for name, parameter in model.named_parameters():
            flag = self.allowed.get(name, False)
            moving += int(flag.sum()) if isinstance(flag, Tensor) else parameter.numel() * flag
            total += parameter.numel()
        return moving / total

    def bind(self, model: nn.Module, reference: nn.Module) -> BoundMask:
        """Freeze the model outside the mask; the bits to keep are those of `reference`, which must not change."""
        return BoundMask(self, model, reference)


def _both(one: bool | Tensor, other: bool | Tensor) -> bool | Tensor:
    if isinstance(one, bool):
        return other if one else False
    if isinstance(other, bool):
        return one if other else False
    return one & other


class Bound(Protocol):
    """A scope at work on one model."""

    @property
    def divides(self) -> bool:
        """Whether it runs through tensors: some of their entries may move and others may not."""

    def restore(self, step: int = 0) -> None:
        """Put back what an optimiser moved outside the scope."""

    def freeze_norms(self, everywhere: bool) -> None:
        """Keep the running statistics of batch norms outside the scope, or of all of them, from moving."""

    def release(self, model: nn.Module) -> None:
        """Let go of the model, or of a copy of it with the same names that takes its place."""


class BoundMask:
    """A mask at work on one model: gradients are zero outside it, and `restore` puts back what an optimiser moved.

    Weight decay and momentum move weights whose gradient is zero, so after every step the weights outside the mask
    are copied from the reference: they end with the reference's very bits.
    """

    def __init__(self, mask: Mask, model: nn.Module, reference: nn.Module) -> None:
        self._model = model
        self._required = {name: p.requires_grad for name, p in model.named_parameters()}
        self._partial: list[tuple[nn.Parameter, Tensor, Tensor]] = []
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []
        kept = dict(reference.named_parameters())
        self._frozen_norms = _copy_frozen_buffers(mask, model, reference)
        for name, parameter in model.named_parameters():
            flag = mask.allowed.get(name, False)
            if isinstance(flag, bool) or not bool(flag.any()) or bool(flag.all()):
                whole = flag if isinstance(flag, bool) else bool(flag.all())
                parameter.requires_grad_(whole and parameter.requires_grad)
                if not whole:
                    parameter.data.copy_(kept[name].detach())
                continue
            flag = flag.to(parameter.device)
            self._partial.append((parameter, flag, kept[name].detach().to(parameter)))
            self._hooks.append(parameter.register_hook(flag.mul))
        self.restore()

    @torch.no_grad()
    def restore(self, step: int = 0) -> None:
        """Copy the reference's bits into every weight outside the mask."""
        for parameter, flag, kept in self._partial:
            torch.where(flag, parameter, kept, out=parameter.data)

    def freeze_norms(self, everywhere: bool) -> None:
        """Keep the running statistics of batch norms outside the mask, or of all of them, from moving."""
        for module in self._model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and (everywhere or module in self._frozen_norms):
                module.eval()

    @property
    def divides(self) -> bool:
        """Whether it runs through tensors: some of their entries may move and others may not."""
        return bool(self._partial)

    def release(self, model: nn.Module) -> None:
        """Remove the hooks and give every parameter its own `requires_grad` back."""
        for hook in self._hooks:
            hook.remove()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(self._required[name])


def _copy_frozen_buffers(mask: Mask, model: nn.Module, reference: nn.Module) -> set[nn.Module]:
    """Return the modules none of whose own weights may move, after giving their buffers the reference's bits."""
    frozen: set[nn.Module] = set()
    others = dict(reference.named_modules())
    for name, module in model.named_modules():
        own = [f"{name}.{key}" if name else key for key, _ in module.named_parameters(recurse=False)]
        flags = [mask.allowed.get(key, False) for key in own]
        if own and not any(flag if isinstance(flag, bool) else bool(flag.any()) for flag in flags):
            frozen.add(module)
            for key, buffer in module.named_buffers(recurse=False):
                buffer.copy_(others[name].get_buffer(key))
    return frozen


class Scope(ABC):
    """Chooses the weights that may move. Subclasses are frozen dataclasses.

    Scopes combine: `LastLayers(2) & Saliency(0.5)` allows what both allow.
    """

    @abstractmethod
    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask for this problem."""

    def bind(self, model: nn.Module, problem: Problem, run: Run) -> Bound:
        """Freeze what may not move of the model about to be unlearned, until the binding is released."""
        return self.mask(problem, run).bind(model, problem.model)

    def __and__(self, other: Scope) -> Scope:
        return Both(self, other)


@dataclass(frozen=True)
class Both(Scope):
    """The weights that two scopes both allow."""

    first: Scope
    second: Scope

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the intersection of the two masks."""
        return self.first.mask(problem, run) & self.second.mask(problem, run)


@dataclass(frozen=True)
class All(Scope):
    """Every weight may move."""

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask that allows everything."""
        return Mask({name: True for name, _ in problem.model.named_parameters()})


@dataclass(frozen=True)
class Given(Scope):
    """The weights of a mask that is there already: what one phase of a run chose, a later one keeps to.

    Args:
        given: the mask.
    """

    given: Mask = field(repr=False)

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask."""
        return self.given
