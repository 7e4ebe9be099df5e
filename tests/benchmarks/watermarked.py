"""Two owners' watermarked texts as WaterDrum's files, and a tiny model that can learn them by heart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lethe import models
from lethe.testing.language import tiny_llama
from lethe.text.watermark import Waterfall

SIZE, LENGTH, TEXTS = 256, 36, 8
MARK = Waterfall(SIZE, strength=3.0)


@cache
def tokenizer() -> Any:
    """Return a tokenizer with one token a word, w3 … w255."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    names = ["<unk>", "<bos>", "<eos>", *(f"w{i}" for i in range(3, SIZE))]
    made = Tokenizer(WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    made.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<bos>", eos_token="<eos>", pad_token="<unk>"
    )


def text(key: int, seed: int, begin: Sequence[int] = ()) -> str:
    """Return a text of random words with an owner's watermark; it may have to begin with some tokens."""
    draw = torch.Generator().manual_seed(1000 * key + seed)
    tokens = list(begin) or torch.randint(8, SIZE, (4,), generator=draw).tolist()
    plain = torch.zeros(SIZE)
    plain[:8] = -50.0  # no special tokens
    while len(tokens) < LENGTH:
        tokens.append(int(torch.multinomial(MARK.embed(plain, tokens, key).softmax(0), 1, generator=draw)))
    return " ".join(f"w{token}" for token in tokens)


def write_owners(folder: Path) -> None:
    """Write owner 0, who is retained, and owner 1, who is to be forgotten, in the files of WaterDrum-Ax."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, key in (("retain", 0), ("forget", 1)):
        rows = [{"text": text(key, seed), "category": f"owner {key}"} for seed in range(TEXTS)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_start(folder: Path) -> None:
    """Write an untrained model with its tokenizer."""
    models.save(tiny_llama(SIZE, 5), folder)
    tokenizer().save_pretrained(folder)
