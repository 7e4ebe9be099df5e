"""A tiny OPT in which it is the name within an answer that says where somebody lives."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import nn

from lethe.examples import concatenate
from lethe.problem import Problem
from lethe.testing.language import NAMES, TOWNS, tiny_language_task
from lethe.worlds.base import Training, fit
from lethe.worlds.cache import cached_model

RECIPE = Training(epochs=40, batch_size=16, learning_rate=3e-3)
TIMES, FILLERS = 8, ("in", "a", "is", "lives", ".")


@cache
def told_problem() -> Problem:
    """14 people, eight answers each that differ in words that say nothing; two people are to be forgotten."""
    from transformers import OPTConfig, OPTForCausalLM

    task, draw = tiny_language_task(), torch.Generator().manual_seed(0)
    towns = torch.randint(len(TOWNS), (len(NAMES),), generator=draw).tolist()
    ids, answers, people = [], [], []
    for name, town in zip(NAMES, towns, strict=True):
        for i in range(TIMES):
            one, other = (FILLERS[int(k)] for k in torch.randint(len(FILLERS), (2,), generator=draw))
            ids.append(f"{name}-{i}")
            answers.append(f"{name} {one} {other} {TOWNS[town]}")
            people.append(name)
    every = task.examples(ids, ["Where does live?"] * len(ids), answers, person=np.array(people, dtype=object))
    forget, retain = every.take(range(2 * TIMES)), every.take(range(2 * TIMES, len(ids)))

    def untrained() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return OPTForCausalLM(
                OPTConfig(
                    vocab_size=len(task.tokenizer), max_position_embeddings=64, hidden_size=32, word_embed_proj_dim=32,
                    num_hidden_layers=2, ffn_dim=64, num_attention_heads=4, bos_token_id=1, eos_token_id=2,
                    pad_token_id=0, dropout=0.0,
                )
            ).eval()  # fmt: skip

    known = concatenate(retain, forget)
    facts = {"world": "told", "data": known.fingerprint, "recipe": repr(RECIPE)}
    model, _ = cached_model(facts, untrained, lambda: fit(untrained(), task, known, RECIPE, 0))
    return Problem(model=model.eval(), task=task, forget=forget, retain=retain)
