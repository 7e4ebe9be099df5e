"""Ensemble: several models of one architecture that answer together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import InputError

Vote = Literal["mean", "majority"]


class Ensemble(nn.Module):
    """Models that vote on a class.

    The output is log p, [B, C]: p is the mean of the members' probabilities (`mean`), or the share of members whose
    likeliest class this is, smoothed by one vote of the mean so that no class has probability 0 (`majority`; ties fall
    to the likelier class).

    Args:
        members: at least one, all of one architecture.
        vote: `mean` or `majority`.

    Raises:
        InputError: there is no member.
    """

    def __init__(self, members: Sequence[nn.Module], vote: Vote = "mean") -> None:
        super().__init__()
        if not members:
            raise InputError("an ensemble needs at least one member")
        self.members = nn.ModuleList(members)
        self.vote: Vote = vote

    def forward(self, inputs: Tensor) -> Tensor:
        """Return log p of each class, [B, C]."""
        logits = torch.stack([_logits(member(inputs)) for member in self.members])
        mean = logits.softmax(-1).mean(0)
        if self.vote == "majority":
            votes = F.one_hot(logits.argmax(-1), logits.shape[-1]).to(mean.dtype).sum(0)
            mean = (votes + mean) / (len(self.members) + 1)
        return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()


def _logits(output: Tensor | dict[str, Tensor]) -> Tensor:
    return output if isinstance(output, Tensor) else output["logits"]
