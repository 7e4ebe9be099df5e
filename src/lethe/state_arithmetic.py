"""Arithmetic on weights by parameter name: differences, sums, and models moved along them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lethe.models import copied

Weights = Mapping[str, Tensor]
"""Parameter name to values. Buffers take no part: a batch norm's statistics are not directions to move along."""


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the model's parameters by name, without gradient; the tensors are the model's own."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def difference(one: nn.Module, other: nn.Module) -> dict[str, Tensor]:
    """Return one - other for each parameter: the task vector, where `other` is what `one` was fine-tuned from."""
    base = weights(other)
    return {name: value - base[name] for name, value in weights(one).items()}


def moved(origin: Weights, direction: Weights, scale: float) -> dict[str, Tensor]:
    """Return origin + scale · direction; where the direction is 0 the bits are the origin's.

    >>> moved({"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([0.5, 0.0])}, -2.0)
    {'w': tensor([0., 2.])}
    """
    return {name: value + scale * direction[name] for name, value in origin.items()}


@torch.no_grad()
def assign_weights(model: nn.Module, values: Weights) -> None:
    """Copy the values into the model's parameters of those names."""
    for name, parameter in model.named_parameters():
        if name in values:
            parameter.copy_(values[name])


def with_weights(model: nn.Module, values: Weights) -> nn.Module:
    """Return a copy of the model with these parameters; buffers and parameters not named are the model's."""
    new = copied(model)
    assign_weights(new, values)
    return new
