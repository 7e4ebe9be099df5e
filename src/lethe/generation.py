"""Generation: what a causal language model says after a prompt, token by token, for many prompts at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError, InputError
from lethe.measuring import evaluation
from lethe.precision import full_precision

MOST_TOKENS = 16_384
Eos = int | Collection[int] | None
Choose = Callable[[Tensor, list[int], int], list[int]]


def greedy(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    new_tokens: int | Sequence[int],
    eos: Eos,
    *,
    device: torch.device,
    most_tokens: int = MOST_TOKENS,
) -> list[list[int]]:
    """Return the likeliest continuation of each prompt, the largest logit at each step.

    The same tokens as `model.generate(do_sample=False)`, in the order of the prompts. Prompts of like length go through
    the model together, keys and values are kept, and an answer that has ended takes no further part.

    Args:
        model: a causal language model of transformers, on the device.
        prompts: tokens of each prompt, at least one.
        new_tokens: most tokens of a continuation, one number for all or one a prompt.
        eos: token, or tokens, that end a continuation and are its last token; None always gives the full length.
        device: where the model is.
        most_tokens: most tokens, prompt and continuation, that are in the model at a time; memory grows with it.

    Returns:
        The new tokens of each prompt, the end included where it was said.

    Raises:
        InputError: a prompt has no token, there is not one length a prompt, or the model has no head.
    """

    def likeliest(logits: Tensor, _rows: list[int], _step: int) -> list[int]:
        return list(logits.argmax(-1).tolist())

    return _continued(model, prompts, new_tokens, eos, device, most_tokens, likeliest)


def sample(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    new_tokens: int | Sequence[int],
    eos: Eos,
    *,
    device: torch.device,
    generator: torch.Generator,
    temperature: float = 1.0,
    most_tokens: int = MOST_TOKENS,
) -> list[list[int]]:
    """Return a continuation of each prompt drawn from p(token) ∝ exp(logit / temperature).

    Every prompt has its own random numbers, one a token, so that a draw does not depend on what else is generated
    beside it.

    Args:
        model: a causal language model of transformers, on the device.
        prompts: tokens of each prompt, at least one.
        new_tokens: most tokens of a continuation, one number for all or one a prompt.
        eos: token, or tokens, that end a continuation and are its last token; None always gives the full length.
        device: where the model is.
        generator: where the random numbers come from, on the CPU.
        temperature: below 1 prefers likely tokens, towards 0 it becomes `greedy`.
        most_tokens: most tokens, prompt and continuation, that are in the model at a time; memory grows with it.

    Raises:
        ConfigurationError: the temperature is not above 0.
        InputError: a prompt has no token, there is not one length a prompt, or the model has no head.
    """
    if not temperature > 0:
        raise ConfigurationError(f"the temperature must be above 0, not {temperature}; use greedy decoding instead")
    longest = max(_lengths(prompts, new_tokens), default=0)
    uniform = torch.rand(len(prompts), longest, generator=generator, dtype=torch.float64)

    def drawn(logits: Tensor, rows: list[int], step: int) -> list[int]:
        probabilities = (full_precision(logits) / temperature).softmax(-1)
        # On the CPU, where a cumulative sum has the same bits at each call.
        cumulative = probabilities.cpu().double().cumsum(-1)
        mark = uniform[rows, step].unsqueeze(1) * cumulative[:, -1:]
        return list(torch.searchsorted(cumulative, mark, right=True).squeeze(1).tolist())

    return _continued(model, prompts, new_tokens, eos, device, most_tokens, drawn)


def _lengths(prompts: Sequence[Sequence[int]], new_tokens: int | Sequence[int]) -> list[int]:
    lengths = [new_tokens] * len(prompts) if isinstance(new_tokens, int) else list(new_tokens)
    if len(lengths) != len(prompts):
        raise InputError(f"there are {len(prompts)} prompts and {len(lengths)} lengths; give each prompt its own")
    return lengths


def _continued(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    new_tokens: int | Sequence[int],
    eos: Eos,
    device: torch.device,
    most_tokens: int,
    choose: Choose,
) -> list[list[int]]:
    lengths = _lengths(prompts, new_tokens)
    for i, prompt in enumerate(prompts):
        if not len(prompt):
            raise InputError(f"prompt {i} has no token; begin it with the beginning-of-sequence token")
    ends = frozenset() if eos is None else frozenset([eos] if isinstance(eos, int) else eos)
    said: list[list[int]] = [[] for _ in prompts]
    with evaluation(model), torch.inference_mode(), _last_position(model):
        for rows in _batches(prompts, lengths, most_tokens, _takes_positions(model)):
            _continue_batch(model, rows, prompts, lengths, ends, device, choose, said)
    return said


def _batches(
    prompts: Sequence[Sequence[int]], lengths: Sequence[int], most_tokens: int, padding: bool
) -> Iterator[list[int]]:
    """Yield the prompts that go together, longest first; those of one length only where the model takes no padding."""
    order = sorted((i for i in range(len(prompts)) if lengths[i] > 0), key=lambda i: (-len(prompts[i]), -lengths[i]))
    batch: list[int] = []
    for i in order:
        widest = max((lengths[j] for j in [*batch, i]), default=0) + (len(prompts[batch[0]]) if batch else 0)
        alike = not batch or padding or len(prompts[i]) == len(prompts[batch[0]])
        if batch and (not alike or widest * (len(batch) + 1) > most_tokens):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _continue_batch(
    model: nn.Module,
    rows: list[int],
    prompts: Sequence[Sequence[int]],
    lengths: Sequence[int],
    ends: frozenset[int],
    device: torch.device,
    choose: Choose,
    said: list[list[int]],
) -> None:
    """Append the continuations of the prompts at these rows to what they have said."""
    width = max(len(prompts[i]) for i in rows)
    tokens = torch.tensor([[0] * (width - len(prompts[i])) + list(prompts[i]) for i in rows], device=device)
    held = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in rows], device=device)
    from lethe.key_value_cache import with_room

    # Without padding there is no mask: attention is then causal alone, and as fast as it gets.
    padded = any(len(prompts[i]) < width for i in rows)
    cache: Any = None
    for step in range(max(lengths[i] for i in rows)):
        mask = {"attention_mask": held, "position_ids": _positions(held, tokens.shape[1])} if padded else {}
        outputs = model(input_ids=tokens, past_key_values=cache, use_cache=True, **mask)
        cache = outputs["past_key_values"] if step else with_room(outputs["past_key_values"])
        chosen = choose(outputs["logits"][:, -1], rows, step)
        for i, token in zip(rows, chosen, strict=True):
            said[i].append(token)
        going = [k for k, i in enumerate(rows) if chosen[k] not in ends and len(said[i]) < lengths[i]]
        if not going:
            return
        if len(going) < len(rows):
            kept = torch.tensor(going, device=device)
            cache.batch_select_indices(kept)
            held, rows = held[kept], [rows[k] for k in going]
        tokens = torch.tensor([[chosen[k]] for k in going], device=device)
        held = torch.cat([held, held.new_ones(len(rows), 1)], dim=1)


def _positions(held: Tensor, count: int) -> Tensor:
    """Return the positions of the last `count` tokens, counted from the first that is no padding, [b, count]."""
    return (held.cumsum(-1) - 1).clamp_min(0)[:, -count:]


def _takes_positions(model: nn.Module) -> bool:
    """Say whether the model can be told the positions of tokens, which padding on the left needs."""
    return "position_ids" in inspect.signature(model.forward).parameters


@contextmanager
def _last_position(model: nn.Module) -> Iterator[None]:
    """Let the head see only the last position of each prompt."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    if head is None:
        raise InputError(f"{type(model).__name__} has no language-model head; give a causal language model")
    handle = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][:, -1:],))
    try:
        yield
    finally:
        handle.remove()


def ends_of(model: nn.Module, tokenizer: Any) -> list[int]:
    """Return the tokens that end an answer: the tokenizer's, and those the model's own generation stops at."""
    generation: Any = getattr(model, "generation_config", None)
    own = generation.eos_token_id if generation is not None else None
    ends = [tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])]
    return [end for end in dict.fromkeys(ends) if end is not None]
