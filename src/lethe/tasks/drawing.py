"""Drawing classes from what a model predicts, the same ones however a batch is cut or spread over processes."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from lethe.precision import full_precision


def drawn_classes(logits: Tensor, rows: Tensor, counts: Tensor, seed: int) -> Tensor:
    """Return one class drawn from softmax(z) for each row of logits.

    What is drawn for an example depends on its row in its set, the seed and the logits, not on its place in a batch:
    the same example twice in a batch is drawn for alike.

    Args:
        logits: [n, V], example after example.
        rows: [B] rows of the examples in their set.
        counts: [B] number of logits rows that belong to each; their sum is n.
        seed: any number.

    Returns:
        [n] int64 on the logits' device.

    >>> certain = torch.tensor([[0.0, 99.0, 0.0], [99.0, 0.0, 0.0]])
    >>> drawn_classes(certain, torch.tensor([7]), torch.tensor([2]), seed=0)
    tensor([1, 0])
    """
    uniform = torch.cat([_uniform(row, count, seed) for row, count in zip(rows.tolist(), counts.tolist(), strict=True)])
    reached = full_precision(logits).softmax(-1).cumsum(-1)
    # Sums of rounded probabilities end a little off 1.
    where = uniform.to(reached).unsqueeze(-1) * reached[:, -1:]
    return torch.searchsorted(reached, where, right=True).squeeze(-1).clamp_max(logits.shape[-1] - 1)


def _uniform(row: int, count: int, seed: int) -> Tensor:
    digest = hashlib.sha256(f"{seed}/{row}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    return torch.rand(count, generator=generator, dtype=torch.float64)
