"""Measurements made by hand, whose metrics can be told in advance."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.auditing.metric import References, Rows, SetRows


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
