"""The precision that losses are computed in, whatever precision the model runs in."""

from __future__ import annotations

import torch
from torch import Tensor


def full_precision(values: Tensor) -> Tensor:
    """Return `values` in float32, or as they are where they are float64 already.

    A log-softmax over a vocabulary, or a sum over an answer, has no digits left in bfloat16.

    >>> full_precision(torch.ones(2, dtype=torch.bfloat16)).dtype
    torch.float32
    >>> full_precision(torch.ones(2, dtype=torch.float64)).dtype
    torch.float64
    """
    return values if values.dtype == torch.float64 else values.float()
