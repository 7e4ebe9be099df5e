"""Ranks: how far up among all tokens a model puts each token of the true answer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.errors import ConfigurationError, InputError


@dataclass(frozen=True, eq=False)
class Ranks:
    """Where n tokens stand among the V tokens of the vocabulary, on the CPU.

    Tokens of one logit share their ranks: what is reported is the mean over all orders of them, which is what drawing
    an order at random comes to.

    Args:
        above: [n] int64, how many tokens have a larger logit.
        tied: [n] int64, how many have the same, the token itself among them.
    """

    above: Tensor
    tied: Tensor

    def __post_init__(self) -> None:
        if self.above.shape != self.tied.shape or self.above.dim() != 1 or bool((self.tied < 1).any()):
            raise InputError(
                "ranks need how many tokens are above and how many are tied, itself included, for each token"
            )

    @classmethod
    def last(cls, count: int, vocabulary: int) -> Ranks:
        """Return the ranks of tokens at steps that never came: the last of all."""
        return cls(torch.full((count,), vocabulary - 1), torch.ones(count, dtype=torch.long))

    def reciprocal(self) -> Tensor:
        """Return E[1 / rank] of each token, [n] in (0, 1].

        >>> Ranks(torch.tensor([0, 1]), torch.tensor([1, 1])).reciprocal().tolist()
        [1.0, 0.5]
        >>> round(float(Ranks(torch.tensor([0]), torch.tensor([2])).reciprocal()), 12)
        0.75
        """
        above, tied = self.above.double(), self.tied.double()
        # Σ 1/r over the ranks above + 1 … above + tied is a difference of harmonic numbers.
        many = (torch.special.digamma(above + tied + 1) - torch.special.digamma(above + 1)) / tied
        return torch.where(self.tied == 1, 1 / (above + 1), many)

    def within(self, top: int) -> Tensor:
        """Return the probability that each token's rank is at most `top`, [n] in [0, 1].

        Raises:
            ConfigurationError: `top` is below 1.

        >>> Ranks(torch.tensor([0, 9, 99]), torch.tensor([1, 2, 1])).within(10).tolist()
        [1.0, 0.5, 0.0]
        """
        if top < 1:
            raise ConfigurationError(f"there is no rank at or above {top}; choose at least 1")
        return ((top - self.above.double()) / self.tied).clamp(0, 1)


def ranks_of(logits: Tensor, targets: Tensor) -> Ranks:
    """Return where the targets stand.

    Args:
        logits: [n, V].
        targets: [n] int64.

    Raises:
        InputError: the shapes do not fit, or a logit is NaN.

    Source: rank of the true token as in Qiu et al. 2024 (PISTOL), arXiv:2406.16810.

    >>> round(float(ranks_of(torch.tensor([[3.0, 1.0, 1.0]]), torch.tensor([2])).reciprocal()), 6)  # (1/2 + 1/3) / 2
    0.416667
    """
    if logits.dim() != 2 or targets.shape != logits.shape[:1]:
        raise InputError(f"logits {list(logits.shape)} and targets {list(targets.shape)} must be [n, V] and [n]")
    if bool(logits.isnan().any()):
        raise InputError("logits hold NaN; the model gave no usable output")
    own = logits.gather(1, targets.unsqueeze(1))
    return Ranks((logits > own).sum(1).cpu(), (logits == own).sum(1).cpu())


def joined_ranks(parts: list[Ranks]) -> Ranks:
    """Return the ranks of several runs of tokens, in order."""
    nothing = torch.empty(0, dtype=torch.long)
    return Ranks(
        torch.cat([nothing, *(part.above for part in parts)]), torch.cat([nothing, *(part.tied for part in parts)])
    )
