"""Splits: which training images of a classifier are forgotten, a class or a random tenth."""

from __future__ import annotations

import torch

from lethe.examples import Examples
from lethe.run import Run

TENTH = 10


def split_class(examples: Examples, chosen: int, label: str = "label") -> tuple[Examples, Examples]:
    """Return the examples of one class, and the others."""
    return split_rows(examples, examples.tensor(label) == chosen)


def random_tenth(examples: Examples, seed: int) -> tuple[Examples, Examples]:
    """Return a tenth of the examples, drawn from the seed, and the others; both in the order they had."""
    order = torch.randperm(len(examples), generator=Run(seed=seed).generator("random tenth"))
    gone = torch.zeros(len(examples), dtype=torch.bool)
    gone[order[: len(examples) // TENTH]] = True
    return split_rows(examples, gone)


def split_rows(examples: Examples, gone: torch.Tensor) -> tuple[Examples, Examples]:
    """Return the examples where `gone`, [N] of truth values, holds, and the others."""
    return examples.take(gone.nonzero().flatten()), examples.take((~gone).nonzero().flatten())
