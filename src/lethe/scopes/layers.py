"""Scopes that name layers: by pattern, or the last k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from torch import nn

from lethe.errors import ConfigurationError, nearest
from lethe.scopes.base import Mask, Scope

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class Layers(Scope):
    """The parameters whose names match one of the patterns may move.

    Args:
        names: shell patterns of parameter names, as in `model.named_parameters()`: `("layer4.*", "fc.*")`.
    """

    names: tuple[str, ...]

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask; raises ConfigurationError where a pattern matches nothing."""
        return Mask(matching(self.names, problem.model))


@dataclass(frozen=True)
class LastLayers(Scope):
    """The last k layers may move, with the norms and biases that stand between and after them.

    Args:
        count: k, the number of layers with a weight matrix or convolution, counted from the output.
    """

    count: int = 1

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask; raises ConfigurationError where the model has fewer layers."""
        layers = list(problem.task.layers(problem.model).values())
        if not 1 <= self.count <= len(layers):
            raise ConfigurationError(f"the model has {len(layers)} layers; the last {self.count} cannot be chosen")
        first = layers[-self.count]
        reached, allowed = False, {}
        for name, module in problem.model.named_modules():
            reached = reached or module is first
            for own, _ in module.named_parameters(recurse=False):
                allowed[f"{name}.{own}" if name else own] = reached
        return Mask(allowed)


def matching(patterns: Sequence[str], model: nn.Module) -> dict[str, bool]:
    """Return for each parameter whether its name matches a pattern; ConfigurationError where one matches nothing."""
    known = [name for name, _ in model.named_parameters()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ConfigurationError(f"no parameter of the model matches '{pattern}'{nearest(pattern, known)}")
    return {name: any(fnmatchcase(name, pattern) for pattern in patterns) for name in known}
