"""Extraction strength: how little of an answer must be given for the model to say the rest."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.auditing.text.tokens import TokenLog


def extraction_strength(log: TokenLog) -> Tensor:
    """Return 1 - k/n of each row, [N] in [0, 1], k the shortest prefix from which every further token is greedy.

    1 where the prompt alone brings the whole answer, 0 where not even the last token comes (k = n).

    Source: Carlini et al. 2021, arXiv:2012.07805; Wang et al. 2025, arXiv:2411.05034 (for unlearning).

    >>> log = TokenLog(torch.zeros(4).double(), torch.tensor([True, False, True, True]), torch.tensor([0, 4]))
    >>> extraction_strength(log).tolist()
    [0.5]
    """
    needed = torch.where(log.greedy, 0, log.positions + 1)  # a wrong token has to be given, with all before it
    prefix = torch.zeros(len(log), dtype=torch.int64).scatter_reduce(0, log.rows, needed, "amax")
    return 1 - prefix.double() / log.lengths
