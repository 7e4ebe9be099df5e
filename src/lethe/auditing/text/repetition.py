"""Repetition: how much of a generated text says the same again, as broken models do."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from lethe.errors import ConfigurationError


def repetition(texts: Sequence[Sequence[Hashable]], n: int = 4) -> Tensor:
    """Return 1 - |distinct n-grams| / |n-grams| of each text, [N] in [0, 1); 0 where no n-gram comes twice.

    A cheap sign of broken generation, where a classifier of gibberish would need a model of its own. A text shorter
    than n repeats nothing.

    Args:
        texts: N sequences of words or token ids.
        n: length of the n-grams, at least 1.

    Raises:
        ConfigurationError: n is below 1.

    Source: Welleck et al. 2019, arXiv:1908.04319, section 5 (seq-rep-n, n = 4).

    >>> repetition(["no no no no".split(), "a b c d".split()], 1).tolist()
    [0.75, 0.0]
    """
    if n < 1:
        raise ConfigurationError(f"n-grams of {n} words do not exist; choose n of at least 1")
    return torch.tensor([_repeated(text, n) for text in texts], dtype=torch.float64)


def _repeated(text: Sequence[Hashable], n: int) -> float:
    grams = [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
