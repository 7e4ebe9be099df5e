"""Slices: one filter of a convolution or one output of a linear map, what it puts out and which weights it owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.scopes.base import Mask

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@dataclass(frozen=True, eq=False)
class Slices:
    """All slices of a model, numbered through its layers.

    Attributes:
        layers: the convolutions and linear maps by name; those that share a weight with another module are left out.
    """

    layers: Mapping[str, nn.Module]

    @classmethod
    def of(cls, model: nn.Module) -> Slices:
        """Return the slices of a model; raises ConfigurationError where there are none."""
        uses: dict[int, int] = {}
        for module in model.modules():
            for parameter in module.parameters(recurse=False):
                uses[id(parameter)] = uses.get(id(parameter), 0) + 1
        found = {
            name: module
            for name, module in model.named_modules()
            if isinstance(module, LAYERS) and all(uses[id(p)] == 1 for p in module.parameters(recurse=False))
        }
        if not found:
            raise ConfigurationError("the model has no convolution and no linear map of its own to take slices of")
        return cls(found)

    @property
    def names(self) -> list[tuple[str, int]]:
        """Return layer and output number of each slice."""
        return [(name, row) for name, module in self.layers.items() for row in range(_outputs(module))]

    def mask(self, chosen: Sequence[int]) -> Mask:
        """Return the mask of the weights and biases of these slices."""
        names = self.names
        allowed: dict[str, bool | Tensor] = {}
        for number in chosen:
            layer, row = names[number]
            for own, parameter in self.layers[layer].named_parameters(recurse=False):
                name = f"{layer}.{own}" if layer else own
                flags = allowed.setdefault(name, torch.zeros_like(parameter, dtype=torch.bool))
                assert isinstance(flags, Tensor)
                flags[row] = True
        return Mask(allowed)

    def pooled(self, seen: Mapping[str, Tensor], count: int) -> Tensor:
        """Return what each slice put out for each example, averaged over positions or tokens, [B, slices].

        Args:
            seen: outputs by layer, of `lethe.hooks.reading`; a layer that did not run counts as 0.
            count: number of examples B.
        """
        parts = []
        for name, module in self.layers.items():
            if name not in seen:
                parts.append(torch.zeros(count, _outputs(module)))
            elif isinstance(module, nn.Linear):
                parts.append(seen[name].detach().reshape(count, -1, _outputs(module)).mean(1))
            else:
                parts.append(seen[name].detach().flatten(2).mean(2))
        return torch.cat([part.float().cpu() for part in parts], dim=1)


def _outputs(module: nn.Module) -> int:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return len(weight)
