"""Model outputs as vectors that samples of different models can be compared in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from lethe.auditing.metric import SetRows
from lethe.auditing.text.tokens import TokenLog
from lethe.losses import margin

Outputs = Literal["aligned", "logits", "margin"]
TextOutputs = Literal["tokens", "answer"]


def vectors(rows: SetRows, outputs: Outputs) -> Tensor:
    """Return what is compared of each example, [N, d] float64.

    Features are not among the choices: networks of different seeds have no coordinates in common there.

    Args:
        rows: what was measured of a model.
        outputs: `aligned`: centred logits, the label's first and the others in descending order (d = C), so that
            two models differ where they treat the label differently, whichever class it is; `logits`: centred
            logits in the order of the classes (d = C); `margin`: the label's margin over all other classes (d = 1).
    """
    logits = rows.logits.double()
    if outputs == "margin":
        return margin(logits, rows.labels).unsqueeze(1)
    centred = logits - logits.mean(1, keepdim=True)
    if outputs == "logits":
        return centred
    column = rows.labels.unsqueeze(1)
    # The label's own entry sorts last, behind every other class, and is cut off there.
    others = centred.scatter(1, column, float("-inf")).sort(1, descending=True).values[:, :-1]
    return torch.cat([centred.gather(1, column), others], 1)


def text_vectors(log: TokenLog, outputs: TextOutputs, points: int = 8) -> Tensor:
    """Return what is compared of each answer, [N, d] float64.

    Answers differ in length, and vectors must not: the log-probabilities of an answer's tokens are read at evenly
    spaced quantiles, least likely first. The fact of an answer hides in its least likely tokens, which a mean over a
    long answer waters down; which token it is does not matter, so that answers of different wording compare.

    Args:
        log: the token log of the true answers.
        outputs: `tokens`: those quantiles (d = points); `answer`: the mean log-probability a token (d = 1).
        points: number of quantiles, at least 2.

    >>> log = TokenLog(-torch.arange(1, 6).double(), torch.zeros(5, dtype=torch.bool), torch.tensor([0, 3, 5]))
    >>> text_vectors(log, "tokens", 3).tolist()
    [[-3.0, -2.0, -1.0], [-5.0, -4.5, -4.0]]
    """
    if outputs == "answer":
        return log.means(log.log_probs).unsqueeze(1)
    levels = torch.linspace(0, 1, points, dtype=torch.float64)
    rows = log.log_probs.split(log.lengths.tolist())
    return torch.stack([torch.quantile(row, levels) for row in rows])


def standardised(samples: Sequence[Tensor], golds: Sequence[Tensor]) -> list[Tensor]:
    """Return the samples in units of the golds' spread: the original's outliers must not set the scale.

    Args:
        samples: [N, d] each.
        golds: [N, d] each; a coordinate in which they do not vary keeps its scale.
    """
    pooled = torch.cat(list(golds))
    spread = pooled.std(0)
    return [(sample - pooled.mean(0)) / torch.where(spread > 0, spread, 1.0) for sample in samples]
