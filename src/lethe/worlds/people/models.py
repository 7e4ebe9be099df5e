"""Untrained tiny language models of transformers: a Llama, and an OLMoE, which is a Llama with a mixture of experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

Architecture = Literal["llama", "moe"]


@dataclass(frozen=True)
class Size:
    """How large a model is.

    Args:
        layers: number of blocks.
        width: size of the hidden states.
        hidden: inner size of the feed-forward part, or of each expert.
        heads: number of attention heads.
        experts: experts of a block in a mixture of experts.
        active: how many of them see a token.
    """

    layers: int
    width: int
    hidden: int
    heads: int = 4
    experts: int = 8
    active: int = 2


def untrained(architecture: Architecture, size: Size, tokenizer: Any, context: int) -> nn.Module:
    """Return the model with weights from torch's global generator, which the caller seeds."""
    from transformers import LlamaConfig, LlamaForCausalLM, OlmoeConfig, OlmoeForCausalLM

    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": size.width,
        "intermediate_size": size.hidden,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.heads,
        "max_position_embeddings": context,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": False,
        # Small models learn sooner from larger weights than the 0.02 that wide ones start with.
        "initializer_range": 0.05,
    }
    if architecture == "llama":
        return LlamaForCausalLM(LlamaConfig(**shape))
    return OlmoeForCausalLM(OlmoeConfig(**shape, num_experts=size.experts, num_experts_per_tok=size.active))
