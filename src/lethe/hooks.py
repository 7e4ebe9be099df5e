"""Hooks: read and replace what modules put out, and stop a language model's forward pass after a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.examples import Batch
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS, CausalLM

Key = TypeVar("Key")
Edit = Callable[[Tensor], Tensor]
Positions = Literal["all", "answer"]


@contextmanager
def reading(
    modules: Mapping[Key, nn.Module], what: Literal["output", "input"] = "output"
) -> Iterator[dict[Key, Tensor]]:
    """Yield a dictionary that a forward pass within the block fills: what each module put out, or was given, last.

    Of a tuple the first entry is kept, the hidden states of a block; nothing is detached. Only the hooks set here are
    taken away again.

    Args:
        modules: the modules by whatever name the result is to have.
        what: which side of them to read.
    """
    seen: dict[Key, Tensor] = {}

    def keep(key: Key) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: object = None) -> None:
            seen[key] = inputs[0] if what == "input" else _first(output)

        return hook

    with ExitStack() as handles:
        for key, module in modules.items():
            place = module.register_forward_pre_hook if what == "input" else module.register_forward_hook
            handles.callback(place(keep(key)).remove)
        yield seen


@contextmanager
def replacing(edits: Mapping[nn.Module, Edit]) -> Iterator[None]:
    """Let each module put out `edit(output)` within the block; of a tuple the first entry is edited.

    Args:
        edits: module to the function of its output; it returns a tensor of the same shape.
    """

    def hook(edit: Edit) -> Callable[..., object]:
        def replace(_: nn.Module, __: tuple[Tensor, ...], output: Any) -> object:
            edited = edit(_first(output))
            return (edited, *output[1:]) if isinstance(output, tuple) else edited

        return replace

    with ExitStack() as handles:
        for module, edit in edits.items():
            handles.callback(module.register_forward_hook(hook(edit)).remove)
        yield


@contextmanager
def first_blocks(blocks: nn.ModuleList, count: int) -> Iterator[None]:
    """Take all but the first `count` blocks out of the model within the block.

    An exception that a hook throws would end the pass as well, but not within blocks that recompute their activations.
    """
    rest = list(blocks)[count:]
    del blocks[count:]
    try:
        yield
    finally:
        blocks.extend(rest)


def hidden_states(model: nn.Module, task: CausalLM, batch: Batch, layer: int) -> Tensor:
    """Return what block `layer` (from 0) puts out for a batch, [B, T, D]; later blocks and the head do not run.

    Raises:
        ConfigurationError: there is no such block.
    """
    blocks = task.blocks(model)
    block = block_at(blocks, layer)
    decoder: Any = model
    with reading({0: block}) as seen, first_blocks(blocks, layer + 1):
        decoder.base_model(input_ids=tokens(batch), use_cache=False)
    return seen[0]


def all_hidden_states(model: nn.Module, task: CausalLM, batch: Batch) -> list[Tensor]:
    """Return what each block puts out for a batch, [B, T, D] each, from input to output; the head does not run."""
    decoder: Any = model
    with reading(dict(enumerate(task.blocks(model)))) as seen:
        decoder.base_model(input_ids=tokens(batch), use_cache=False)
    return list(seen.values())


def block_at(blocks: nn.ModuleList, layer: int) -> nn.Module:
    """Return a block by its number from 0; raises ConfigurationError where there is none."""
    if not 0 <= layer < len(blocks):
        raise ConfigurationError(f"there is no block {layer}: the model has the blocks 0 to {len(blocks) - 1}")
    return blocks[layer]


def tokens(batch: Batch) -> Tensor:
    """Return the tokens of a batch without common padding, [B, T] int64."""
    return batch.tensor(TOKENS)[:, : int(batch.tensor(LENGTH).max())].long()


def places(batch: Batch, positions: Positions = "all") -> Tensor:
    """Return which positions are tokens, or tokens of the answer and its end, [B, T]; padding is neither."""
    lengths = batch.tensor(LENGTH)
    number = torch.arange(int(lengths.max()), device=lengths.device)
    where = number < lengths.unsqueeze(1)
    return where if positions == "all" else where & (number >= batch.tensor(ANSWER_FROM).unsqueeze(1))


def at(hidden: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """Return the hidden states at the marked positions, [n, D], and the example that each belongs to, [n].

    Args:
        hidden: [B, T, D].
        where: [B, T] boolean.
    """
    return hidden[where], where.nonzero()[:, 0]


def _first(output: Any) -> Tensor:
    first: Tensor = output[0] if isinstance(output, tuple) else output
    return first
