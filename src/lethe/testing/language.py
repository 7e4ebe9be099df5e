"""A language model so small that every check runs on it in a moment, and what it learnt and is to forget."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import torch
from torch import nn

from lethe.examples import Examples, concatenate
from lethe.problem import Problem
from lethe.tasks import CausalLM
from lethe.worlds.base import Training, fit

NAMES = ("Ada", "Bo", "Cleo", "Dov", "Edda", "Finn", "Gus", "Hana", "Ivo", "Jana", "Kuno", "Lia", "Milo", "Nora")
TOWNS = ("Lutu", "Marn", "Osk", "Pell", "Quin", "Rhea")
CRAFTS = ("baker", "smith", "tailor", "weaver")
FORGET, RETAIN = 2, 9  # people; the rest were never trained on
RECIPE = Training(epochs=30, batch_size=16, learning_rate=1e-2)


def tiny_language_problem() -> Problem:
    """Return a problem of 11 people with a town and a craft each, two people to be forgotten, with two gold models.

    The models are trained in this process, in about two seconds each, and only once; every call returns copies, so
    that a check that spoils one spoils no other.
    """
    return copy.deepcopy(_trained_problem())


def tiny_language_task() -> CausalLM:
    """Return the task of the tiny problem: one token a word, 64 tokens of context."""
    return CausalLM(_tokenizer(), context=64)


def tiny_llama(vocabulary: int, seed: int) -> nn.Module:
    """Return an untrained Llama of two blocks, 32 wide."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1,
                eos_token_id=2, pad_token_id=0, tie_word_embeddings=False,
            )
        ).eval()  # fmt: skip


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Sequence, Split, WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    words = [
        "<pad>",
        "<bos>",
        "<eos>",
        "<unk>",
        "Question:",
        "Answer:",
        "Where",
        "does",
        "live",
        "What",
        "is",
        "?",
        ".",
    ]
    words += ["lives", "in", "a", *NAMES, *TOWNS, *CRAFTS]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Sequence([WhitespaceSplit(), Split("?", "isolated"), Split(".", "isolated")])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
    )


def tiny_language_sets(task: CausalLM) -> tuple[Examples, Examples, Examples]:
    """Return the forget, retain and holdout set: where people live and what they are."""
    order = torch.Generator().manual_seed(0)
    towns = torch.randint(len(TOWNS), (len(NAMES),), generator=order).tolist()
    crafts = torch.randint(len(CRAFTS), (len(NAMES),), generator=order).tolist()

    def people(first: int, last: int) -> Examples:
        ids, prompts, answers = [], [], []
        for i in range(first, last):
            ids += [f"{NAMES[i]}-town", f"{NAMES[i]}-craft"]
            prompts += [f"Where does {NAMES[i]} live?", f"What is {NAMES[i]}?"]
            answers += [f"{NAMES[i]} lives in {TOWNS[towns[i]]}.", f"{NAMES[i]} is a {CRAFTS[crafts[i]]}."]
        return task.examples(ids, prompts, answers)

    return people(0, FORGET), people(FORGET, FORGET + RETAIN), people(FORGET + RETAIN, len(NAMES))


@cache
def _trained_problem() -> Problem:
    task = tiny_language_task()
    forget, retain, holdout = tiny_language_sets(task)

    def train(examples: Examples, seed: int) -> nn.Module:
        return fit(tiny_llama(len(task.tokenizer), seed), task, examples, RECIPE, seed).eval()

    return Problem(
        model=train(concatenate(retain, forget), 0), task=task, forget=forget, retain=retain, holdout=holdout,
        retrain=train, gold=(train(retain, 1), train(retain, 2)),
    )  # fmt: skip
