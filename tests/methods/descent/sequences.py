"""Sequences that a tiny language model was trained on until it knew them by heart, of two sources, and unseen ones."""

from __future__ import annotations

import copy
from dataclasses import asdict
from functools import cache

import numpy as np
import torch
from torch import nn

from lethe.examples import Examples, concatenate
from lethe.problem import Problem
from lethe.tasks import CausalLM, PlainText
from lethe.testing.language import CRAFTS, NAMES, TOWNS, tiny_language_task, tiny_llama
from lethe.worlds.base import Training, fit
from lethe.worlds.cache import cached_model

WORDS = (*NAMES, *TOWNS, *CRAFTS)
COUNT, LENGTH, GIVEN, FOLLOWERS = 32, 16, 3, 3
BY_HEART = Training(epochs=100, batch_size=24, learning_rate=5e-3)


def sequences_problem() -> Problem:
    """Return a problem of 32 sequences to forget, 32 of the same source and 32 general ones to keep, and 32 unseen.

    In either source each word has three followers. Of each sequence of 16 words the first three are given: what follows
    can be known by heart, or guessed one time in three.
    """
    return copy.deepcopy(_problem())


def source(seed: int) -> dict[str, list[str]]:
    """Return the followers of each word."""
    random = torch.Generator().manual_seed(seed)
    chosen = {word: torch.randperm(len(WORDS), generator=random)[:FOLLOWERS].tolist() for word in WORDS}
    return {word: [WORDS[i] for i in places] for word, places in chosen.items()}


def drawn(task: CausalLM, name: str, followers: dict[str, list[str]], seed: int) -> Examples:
    """Return sequences drawn from a source, in the group `name`."""
    random = torch.Generator().manual_seed(seed)
    lines = []
    for _ in range(COUNT):
        line = [WORDS[int(torch.randint(len(WORDS), (1,), generator=random))]]
        while len(line) < LENGTH:
            line.append(followers[line[-1]][int(torch.randint(FOLLOWERS, (1,), generator=random))])
        lines.append(line)
    return task.examples(
        [f"{name}-{i}" for i in range(COUNT)],
        [" ".join(line[:GIVEN]) for line in lines],
        [" ".join(line[GIVEN:]) for line in lines],
        group=np.array([name] * COUNT, dtype=object),
    )


@cache
def _problem() -> Problem:
    task = CausalLM(tiny_language_task().tokenizer, template=PlainText(), context=64)
    own, general = source(1), source(2)
    forget = drawn(task, "forget", own, 10)
    retain = concatenate(drawn(task, "own", own, 11), drawn(task, "general", general, 12))
    known = concatenate(forget, retain)
    recipe = {"world": "sequences", "data": known.fingerprint, "training": asdict(BY_HEART)}

    def untrained() -> nn.Module:
        return tiny_llama(len(task.tokenizer), 0)

    model, _ = cached_model(recipe, untrained, lambda: fit(untrained(), task, known, BY_HEART, 0))
    return Problem(model=model, task=task, forget=forget, retain=retain, holdout=drawn(task, "unseen", own, 13))
