"""What is read of each example alike for every kind of model: how well it is known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.auditing.metric import Rows
from lethe.auditing.text import by_loss
from lethe.auditing.text_rows import TextRows
from lethe.losses import margin

SURE = -1e-12  # a mean log-probability nearer to 0 is rounding; its logit would be infinite


def log_probability(rows: Rows, part: str) -> Tensor:
    """Return log p_y of each label, or the mean log-probability a token of each answer, [N] float64, at most 0.

    A regression model states no probability: of a value it is -ℓ / s, the loss in units of what the mean target
    would cost, and its exponential a closeness between 0 and 1.
    """
    if part in rows.texts:
        return rows.texts[part].each(by_answer)
    if part in rows.values:
        return -rows.values[part].losses / rows.values[part].scale
    own = rows[part]
    return -F.cross_entropy(own.logits.double(), own.labels, reduction="none")


def scaled_confidence(rows: Rows, part: str) -> Tensor:
    """Return the logit-scaled confidence φ = log p / (1 - p), [N] float64.

    p is the probability of the label, or P̄(a | q) = p(a | q)^(1/|a|) of the answer: unlike p itself, φ is nearly
    normal over models of different seeds.

    Source: Carlini et al. 2022, LiRA, arXiv:2112.03570, section IV.C.
    """
    if part in rows.texts:
        return logit(rows.texts[part].each(by_answer))
    own = rows[part]
    return margin(own.logits.double(), own.labels)


def by_answer(rows: TextRows) -> Tensor:
    """Return the mean log-probability a token of each answer, [N]."""
    return by_loss(rows.log)


def logit(log_p: Tensor) -> Tensor:
    """Return log p / (1 - p) from log p, finite also where p is 1 to the last digit.

    >>> [round(value, 9) for value in logit(torch.tensor([0.5, 0.75]).double().log()).exp().tolist()]
    [1.0, 3.0]
    """
    log_p = log_p.double().clamp_max(SURE)
    return log_p - torch.log(-torch.expm1(log_p))
