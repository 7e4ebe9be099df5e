"""Token logs made by hand, that the tests of text metrics share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.auditing.text import TokenLog, token_log
from lethe.auditing.text.tokens import offsets_of


def logged(*rows: Sequence[float]) -> TokenLog:
    """A log of rows of log-probabilities, none of them greedy."""
    return greedy_log(*([False] * len(row) for row in rows), log_probs=[p for row in rows for p in row])


def greedy_log(*rows: Sequence[bool], log_probs: Sequence[float] | None = None) -> TokenLog:
    """A log of rows of rights and wrongs."""
    flat = [bool(right) for row in rows for right in row]
    values = torch.tensor(log_probs, dtype=torch.float64) if log_probs else torch.zeros(len(flat), dtype=torch.float64)
    return TokenLog(values, torch.tensor(flat), offsets_of(torch.tensor([len(row) for row in rows])))


def random_logits(lengths: Sequence[int], vocabulary: int, seed: int = 0, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    """Logits [n, V] float64 and targets [n] of rows of these lengths."""
    generator = torch.Generator().manual_seed(seed)
    count = sum(lengths)
    logits = scale * torch.randn(count, vocabulary, generator=generator, dtype=torch.float64)
    return logits, torch.randint(vocabulary, (count,), generator=generator)


def random_log(lengths: Sequence[int], vocabulary: int = 11, seed: int = 0) -> TokenLog:
    """The log of a random model."""
    return token_log(*random_logits(lengths, vocabulary, seed), torch.tensor(lengths))


def uniform_log(lengths: Sequence[int], vocabulary: int) -> TokenLog:
    """The log of a model that finds every token equally likely."""
    logits = torch.zeros(sum(lengths), vocabulary, dtype=torch.float64)
    return token_log(logits, torch.arange(sum(lengths)) % vocabulary, torch.tensor(lengths))
