"""Leaks: gold models that saw a few of the examples they should not have seen, which no average shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from scipy.special import pdtrc
from torch import Tensor

from lethe.auditing.metric import Rows
from lethe.auditing.metrics.signals import log_probability
from lethe.auditing.records import Caution

APART = 0.3
"""The least difference of probability between original and gold at which an example can tell them apart."""

LEVEL = 0.01
"""How seldom a gold model that saw nothing may be named."""


def gold_that_saw_some(original: Rows, golds: Mapping[str, Rows]) -> list[Caution]:
    """Return which gold models know some forget examples as if they had been trained on them.

    An example tells where the original gives its label or answer a probability 0.3 or more above the mean m of the
    other gold models (of regression, a closeness; see `signals`); a gold model knows it that has gone half of that way,
    p - m > (p_o - m) / 2. One that knows n such examples is named where n is too many beside the mean number of the
    others, λ: Pr[Poisson(λ + ½) ≥ n] < 0.01.

    Args:
        original: what was measured of the original.
        golds: the same of each gold model, two or more, by what it is called.
    """
    top, known = _probability(original), {name: _probability(rows) for name, rows in golds.items()}
    if len(known) < 2:
        return []
    seen = {name: _seen(top, own, [p for key, p in known.items() if key != name]) for name, own in known.items()}
    found = []
    for name, marks in seen.items():
        count = int(marks.sum())
        usual = sum(int(other.sum()) for key, other in seen.items() if key != name) / (len(seen) - 1)
        if count > 0 and float(pdtrc(count - 1, usual + 0.5)) < LEVEL:
            found.append(Caution(name, _sentence(original, marks, usual)))
    return found


def _seen(top: Tensor, own: Tensor, others: Sequence[Tensor]) -> Tensor:
    """Return which examples a gold model knows like the original and unlike the other gold models, [N] bool."""
    middle = torch.stack(list(others)).mean(0)
    return (top - middle > APART) & (own - middle > (top - middle) / 2)


def _sentence(original: Rows, marks: Tensor, usual: float) -> str:
    first = original.ids("forget")[int(marks.nonzero()[0])]
    return (
        f"it seems to have been trained on {int(marks.sum())} of the {len(marks)} examples to forget (for one "
        f"'{first}'), which it knows as the original does, where other gold models know {usual:.2g}"
    )


def _probability(rows: Rows) -> Tensor:
    return log_probability(rows, "forget").exp()
