"""A real language model of 260 thousand weights that tells stories, as a Hugging Face folder with its tokenizer."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, normalizers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPACE = "▁"
SPECIAL = ("<unk>", "<s>", "</s>")


def write_stories(source: Path, folder: Path) -> Path:
    """Write the model of `stories260K.bin` and `tok512.bin` to a folder as save_pretrained would."""
    model(source / "stories260K.bin").save_pretrained(folder)
    tokenizer(source / "tok512.bin").save_pretrained(folder)
    return folder


def model(path: Path) -> LlamaForCausalLM:
    """Return the model; its rotary embedding turns adjacent pairs, that of transformers the two halves of a head."""
    content = path.read_bytes()
    width, hidden, layers, heads, kv_heads, vocabulary, length = struct.unpack("<7i", content[:28])
    config = LlamaConfig(
        hidden_size=width, intermediate_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, vocab_size=vocabulary, max_position_embeddings=length, rms_norm_eps=1e-5,
        tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    values = iter_of(np.frombuffer(content[28:], "<f4"))
    kv_width = width // heads * kv_heads
    embedding = values(vocabulary, width)
    shapes = {
        "input_layernorm": (width,), "self_attn.q_proj": (width, width), "self_attn.k_proj": (kv_width, width),
        "self_attn.v_proj": (kv_width, width), "self_attn.o_proj": (width, width), "post_attention_layernorm": (width,),
        "mlp.gate_proj": (hidden, width), "mlp.down_proj": (width, hidden), "mlp.up_proj": (hidden, width),
    }  # fmt: skip
    stacked = {name: values(layers, *shape) for name, shape in shapes.items()}
    for name, count in (("self_attn.q_proj", heads), ("self_attn.k_proj", kv_heads)):
        stacked[name] = torch.stack([halves(weight, count) for weight in stacked[name]])
    state = {
        f"model.layers.{layer}.{name}.weight": stacked[name][layer] for name in shapes for layer in range(layers)
    } | {"model.embed_tokens.weight": embedding, "model.norm.weight": values(width), "lm_head.weight": embedding}
    with torch.random.fork_rng():
        made = LlamaForCausalLM(config)
    made.load_state_dict(state)
    return made.eval()


def iter_of(flat: np.ndarray):
    """Return a function that hands out the next values in a shape."""
    place = 0

    def take(*shape: int) -> torch.Tensor:
        nonlocal place
        count = int(np.prod(shape))
        place += count
        return torch.from_numpy(flat[place - count : place].reshape(shape).copy())

    return take


def halves(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Return a projection [heads · d, D] with each head's rows 0, 1, 2, 3 … in the order 0, 2, … 1, 3, …"""
    return weight.view(heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """Return the tokenizer: byte-pair encoding that merges the pair with the best score, bytes where nothing fits."""
    content = path.read_bytes()
    pieces: list[str] = []
    scores: list[float] = []
    place = 4
    while place < len(content):
        score, length = struct.unpack_from("<fi", content, place)
        place += 8 + length
        scores.append(score)
        pieces.append(content[place - length : place].decode().replace(" ", SPACE))
    pieces[: len(SPECIAL)] = SPECIAL
    known = {piece: index for index, piece in enumerate(pieces)}
    merges = [
        (piece[:cut], piece[cut:])
        for _, piece in sorted(zip(scores[259:], pieces[259:], strict=True), key=lambda pair: -pair[0])
        for cut in range(1, len(piece))
        if piece[:cut] in known and piece[cut:] in known
    ]
    made = Tokenizer(BPE(known, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    made.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>", model_max_length=512
    )
