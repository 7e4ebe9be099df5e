"""Hidden units that can be exchanged: which weights make them and which read them, so that models can be aligned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from lethe.examples import Batch
from lethe.measuring import evaluation
from lethe.models import copied
from lethe.tasks import Task

MOST_PARAMETERS = 1_000_000_000  # a copy of a larger model is tried on no device by the way
SAME, OTHER = 1e-4, 1e-3  # outputs that differ by less are equal but for rounding, by more they are not


@dataclass(frozen=True)
class Axis:
    """The axis of a layer's weight along which hidden units lie.

    Args:
        layer: name of the layer.
        axis: of its weight.
        block: consecutive entries that belong to one unit, more than 1 where a channel was flattened.
    """

    layer: str
    axis: int
    block: int = 1


@dataclass(frozen=True)
class Units:
    """Hidden units between two layers: permuting them in all the weights named leaves the function as it is.

    Args:
        count: how many there are.
        made: where they are made, the rows of one or two layers (gate and up of a gated block).
        read: where they are read.
    """

    count: int
    made: tuple[Axis, ...]
    read: Axis

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the units that `dataclasses.asdict` described."""
        return cls(value["count"], tuple(Axis(**axis) for axis in value["made"]), Axis(**value["read"]))


def hidden_units(model: nn.Module, task: Task, batch: Batch) -> tuple[Units, ...]:
    """Return the groups of hidden units of linear layers and convolutions that can be exchanged, from input to output.

    That a layer's units feed the next layer and nothing else (no skip connection, no attention head) is not guessed
    from names: they are permuted in a copy of the model, with the biases and the norms between, and the outputs must
    stay; where the layer that reads them is not permuted, the outputs must change.

    Args:
        model: the model; it is left as it is.
        task: how it is fed and what its layers are.
        batch: two examples or more, on the model's device.

    Returns:
        The groups; none for a model of more than a thousand million weights, or one whose outputs do not depend on
        its input.
    """
    if sum(p.numel() for p in model.parameters()) > MOST_PARAMETERS:
        return ()
    probe = copied(model).float()
    layers = [(name, module, axes) for name, module in task.layers(probe).items() if (axes := _axes(module))]
    found: list[Units] = []
    with evaluation(probe):
        expected = task.outputs(probe, batch)
        for i in range(1, len(layers)):
            for first in (i - 2, i - 1):
                units = _feeding(layers[first:i], layers[i]) if first >= 0 else None
                if units is not None and _exchangeable(probe, task, batch, units, expected):
                    found.append(units)
                    break
    return tuple(found)


def permuted(weight: Tensor, axis: Axis, order: Tensor) -> Tensor:
    """Return the weight with its units along the axis in another order: unit i is the former unit order[i]."""
    index = (order.unsqueeze(1) * axis.block + torch.arange(axis.block)).flatten()
    return weight.index_select(axis.axis, index.to(weight.device))


_Layer = tuple[str, nn.Module, tuple[int, int]]


def _axes(module: nn.Module) -> tuple[int, int] | None:
    """Return the axes of outputs and of inputs of a layer's weight, or None where it has no such units."""
    if isinstance(module, nn.Linear):
        return 0, 1
    if isinstance(module, nn.modules.conv._ConvNd) and module.groups == 1:
        return (1, 0) if module.transposed else (0, 1)
    # The linear layers of GPT-2 hold their weight the other way round.
    return (1, 0) if type(module).__name__ == "Conv1D" else None


def _feeding(makers: Sequence[_Layer], reader: _Layer) -> Units | None:
    """Return the units that these layers may make for the reader, judged by sizes alone."""
    weights = [(name, module.get_parameter("weight"), axes) for name, module, axes in makers]
    counts = {weight.shape[axes[0]] for _, weight, axes in weights}
    sources = {weight.shape[axes[1]] for _, weight, axes in weights}
    name, module, (_, inward) = reader
    read, count = module.get_parameter("weight").shape[inward], min(counts)
    if len(counts) > 1 or len(sources) > 1 or read % count or count < 2:
        return None
    made = tuple(Axis(maker, axes[0]) for maker, _, axes in weights)
    return Units(count, made, Axis(name, inward, read // count))


def _exchangeable(probe: nn.Module, task: Task, batch: Batch, units: Units, expected: Tensor) -> bool:
    """Whether permuting the units changes no output, and permuting them where they are made alone does."""
    order = torch.arange(units.count).roll(1)
    with _replaced(_where_made(probe, units, order)):
        broken = task.outputs(probe, batch)
        reader = probe.get_submodule(units.read.layer).get_parameter("weight")
        with _replaced({reader: permuted(reader.detach(), units.read, order)}):
            kept = task.outputs(probe, batch)
    size = expected.abs().max()
    return bool((kept - expected).abs().max() <= SAME * size) and bool((broken - expected).abs().max() > OTHER * size)


def _where_made(probe: nn.Module, units: Units, order: Tensor) -> dict[Tensor, Tensor]:
    """Return the permuted weights, biases and norms of the layers that make the units."""
    changed: dict[Tensor, Tensor] = {}
    for axis in units.made:
        module = probe.get_submodule(axis.layer)
        weight = module.get_parameter("weight")
        changed[weight] = permuted(weight.detach(), axis, order)
        changed |= {
            bias: bias.detach()[order.to(bias.device)]
            for bias in module.parameters(recurse=False)
            if bias.dim() == 1 and len(bias) == units.count
        }
    for norm in _between(probe, units.made[0].layer, units.read.layer):
        for tensor in (*norm.parameters(recurse=False), *norm.buffers(recurse=False)):
            if tensor.shape == (units.count,):
                changed[tensor] = tensor.detach()[order.to(tensor.device)]
    return changed


def _between(model: nn.Module, first: str, last: str) -> list[nn.Module]:
    """Return the modules registered between two others which hold one number a unit, and no weight of a layer."""
    names = list(dict(model.named_modules()))
    inside = names[names.index(first) + 1 : names.index(last)]
    modules = [model.get_submodule(name) for name in inside]
    return [module for module in modules if not any(p.dim() > 1 for p in module.parameters())]


@contextmanager
def _replaced(values: Mapping[Tensor, Tensor]) -> Iterator[None]:
    """Give tensors of a model other values for a while."""
    before = {tensor: tensor.data for tensor in values}
    try:
        for tensor, value in values.items():
            tensor.data = value
        yield
    finally:
        for tensor, value in before.items():
            tensor.data = value
