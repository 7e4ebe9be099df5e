"""Further columns of text data: numbers become tensors, everything else object arrays, alike in all sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from lethe.examples import Column
from lethe.sources.texts import Texts
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, POOLED, TOKENS

TAKEN = frozenset({TOKENS, LENGTH, ANSWER_FROM, POOLED, "prompt", "answer"})
_INT64 = 2**63


def further_columns(sets: Mapping[str, Texts]) -> dict[str, dict[str, Column]]:
    """Return the further columns of each set; batches of any two sets can be joined.

    A column that one set lacks holds NaN there where it is one of numbers, else None. Lists become tuples. A column
    whose name the tokenised examples need is called `data_` and its name.
    """
    names = dict.fromkeys(name for texts in sets.values() for name in texts.columns)
    found: dict[str, dict[str, Column]] = {which: {} for which in sets}
    for name in names:
        there = {which: texts.columns[name] for which, texts in sets.items() if name in texts.columns}
        numeric = all(map(_are_numbers, there.values()))
        for which, texts in sets.items():
            values = there.get(which, [math.nan if numeric else None] * len(texts))
            found[which][f"data_{name}" if name in TAKEN else name] = _column(values, numeric)
    return found


def _are_numbers(values: Sequence[object]) -> bool:
    whole = all(isinstance(value, int) and -_INT64 <= value < _INT64 for value in values)
    return whole or all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _column(values: Sequence[object], numeric: bool) -> Column:
    if numeric:
        decimal = any(isinstance(value, float) for value in values)
        return torch.tensor(list(values), dtype=torch.float64 if decimal else None)
    column = np.empty(len(values), dtype=object)
    column[:] = [tuple(value) if isinstance(value, list) else value for value in values]
    return column
