"""Packing: the sequences of a batch go through a language model end to end, with no padding between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.models import is_hugging_face

NAME = "lethe_packed"

KINDS = frozenset({
    "cohere", "gemma", "gpt_neox", "granite", "llama", "mistral", "mixtral", "olmo", "olmo2", "olmoe", "phi", "phi3",
    "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "smollm3", "starcoder2",
})  # fmt: skip
"""Kinds of model in which nothing but attention looks across positions, and attention can be exchanged."""


@dataclass(frozen=True)
class Span:
    """A sequence in a packed row, or several that begin alike: what they share stands once, and their ends follow.

    Attributes:
        shared: tokens of the beginning.
        ends: tokens of each end; every end sees the beginning and itself.
    """

    shared: int
    ends: tuple[int, ...] = ()


_spans: ContextVar[Sequence[Span]] = ContextVar("what stands in the packed row")


def packable(model: nn.Module) -> bool:
    """Whether the model's batches are packed.

    On processors, where matrix products are what takes the time and padding multiplies them; not with sliding windows,
    and not where activations are computed a second time, after the attention has been given back.
    """
    if not is_hugging_face(model) or next(model.parameters()).device.type != "cpu":
        return False
    config: Any = model.config
    # What blocks of transformers are asked themselves; the model's own property for it changes its name.
    recomputes = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    whole = not getattr(config, "sliding_window", None) and not getattr(config, "use_sliding_window", False)
    return config.model_type in KINDS and whole and config._attn_implementation == "sdpa" and not recomputes


@contextmanager
def packed(model: nn.Module, spans: Sequence[Span]) -> Iterator[None]:
    """Let the model's attention stay within the sequences that stand end to end in one row."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    config: Any = model.config
    before = config._attn_implementation
    token = _spans.set(spans)
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
        _spans.reset(token)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Return causal attention within each sequence, [1, n, H, d], from [1, H, n, d] and fewer heads of keys."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    spans = _spans.get()
    lengths = [length for span in spans for length in (span.shared, *span.ends)]
    apart = zip(*(part.split(lengths, dim=2) for part in (query, key, value)), strict=True)
    attended = []
    for span in spans:
        q, first_k, first_v = next(apart)
        attended.append(F.scaled_dot_product_attention(q, first_k, first_v, None, dropout, True, scale=scaling))
        for end in span.ends:
            q, k, v = next(apart)
            sees = torch.ones(end, span.shared + end, dtype=torch.bool, device=q.device).tril(span.shared)
            k, v = torch.cat([first_k, k], 2), torch.cat([first_v, v], 2)
            attended.append(F.scaled_dot_product_attention(q, k, v, sees, dropout, scale=scaling))
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous(), None
