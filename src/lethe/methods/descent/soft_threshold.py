"""Soft-thresholding: the proximal step of the ℓ1 distance to the original weights."""

from __future__ import annotations

import torch
from torch import nn


class SoftThreshold:
    """After each step d = θ - θ0 becomes sign(d)·max(|d| - τ, 0), τ the k-th smallest |d| over all weights.

    k = int(share·|θ|·(1 - (e·S + 1)/(E·S))) with e whole epochs done of E, S steps each: the k weights that moved
    least return to their original bits, and k falls once an epoch.

    Args:
        model: the model that moves.
        original: θ0, which does not.
        share: share of the weights held back at the start.
        epochs: E.
        steps: S.
    """

    def __init__(self, model: nn.Module, original: nn.Module, share: float, epochs: int, steps: int) -> None:
        self._pairs = [(p, q.detach()) for p, q in zip(model.parameters(), original.parameters(), strict=True)]
        self._share, self._epochs, self._steps = share, epochs, steps

    @torch.no_grad()
    def restore(self, step: int) -> None:
        """Threshold the change made by step number `step`, counted from 1."""
        done = (step - 1) // self._steps
        progress = (done * self._steps + 1) / (self._epochs * self._steps)
        sizes = torch.cat([(p - q).abs().flatten() for p, q in self._pairs])
        k = int(self._share * len(sizes) * (1 - progress))
        if k < 1:
            return
        tau = sizes.kthvalue(k).values
        for parameter, kept in self._pairs:
            change = parameter - kept
            smaller = change.sign() * (change.abs() - tau)
            parameter.copy_(torch.where(change.abs() <= tau, kept, kept + smaller))
