"""Measurements made by hand, whose metrics can be told in advance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.auditing.metric import References, Rows, SetRows
from lethe.auditing.text.tokens import TokenLog, offsets_of
from lethe.auditing.text_rows import TextRows


def set_rows(logits: Tensor, labels: Tensor) -> SetRows:
    """One set of examples with these outputs."""
    ids = tuple(f"row-{i}" for i in range(len(labels)))
    return SetRows(ids, labels, logits, torch.zeros(len(labels), 1))


def made(**sets: SetRows) -> Rows:
    """A model that answers so."""
    return Rows(sets, (torch.zeros(2, 1), None), {})


def with_probability(probability: Tensor, classes: int = 2) -> SetRows:
    """Examples whose true label gets this probability, the other classes sharing the rest."""
    labels = torch.arange(len(probability)) % classes
    rest = torch.log((1 - probability) / (classes - 1)).unsqueeze(1).expand(-1, classes)
    return set_rows(rest.scatter(1, labels.unsqueeze(1), probability.log().unsqueeze(1)), labels)


NOBODY = References(original=made())
"""References for metrics that look at none."""


def told(log_probs: Sequence[Sequence[float]]) -> TextRows:
    """One set of answers whose tokens have these log-probabilities."""
    lengths = torch.tensor([len(row) for row in log_probs])
    flat = torch.tensor([value for row in log_probs for value in row], dtype=torch.float64)
    return TextRows(
        ids=tuple(f"row-{i}" for i in range(len(log_probs))),
        answers=("an answer",) * len(log_probs),
        log=TokenLog(flat, torch.zeros(len(flat), dtype=torch.bool), offsets_of(lengths)),
        ended=False,
        right=torch.tensor([sum(row) / len(row) for row in log_probs], dtype=torch.float64),
        wrong=torch.empty(len(log_probs), 0, dtype=torch.float64),
        options=False,
        generated=(),
        recall=torch.empty(0, dtype=torch.float64),
    )


def telling(**texts: TextRows) -> Rows:
    """A language model that answers so."""
    return Rows({}, (torch.zeros(2, 1), None), {}, texts)
