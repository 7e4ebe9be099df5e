"""Merging: many task vectors become one, each seen once and then forgotten."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from lethe.errors import ConfigurationError
from lethe.scopes.importance import top_share
from lethe.state_arithmetic import Weights

Rule = Literal["consensus", "uniform", "ties", "magmax"]


class Merger(ABC):
    """Takes task vectors τ_1 … τ_K one by one; its memory does not grow with K."""

    @abstractmethod
    def add(self, vector: Weights) -> None:
        """Take one more task vector."""

    @abstractmethod
    def merged(self) -> dict[str, Tensor]:
        """Return the merged vector."""


class Uniform(Merger):
    """(1/K) Σ_k τ_k."""

    def __init__(self) -> None:
        self.count = 0
        self.total: dict[str, Tensor] = {}

    def add(self, vector: Weights) -> None:
        """Add to the sum."""
        self.count += 1
        for name, value in vector.items():
            self.total[name] = self.total[name] + value if name in self.total else value.clone()

    def merged(self) -> dict[str, Tensor]:
        """Return the mean."""
        return {name: total / self.count for name, total in self.total.items()}


class Consensus(Uniform):
    """M ⊙ (1/K) Σ_k τ_k with M = 1[|Σ_k sign(τ_k)| = K]: only what every model moved, and all in the same direction.

    Source: Kim et al. 2024, NegMerge, arXiv:2410.05583.
    """

    def __init__(self) -> None:
        super().__init__()
        self.signs: dict[str, Tensor] = {}

    def add(self, vector: Weights) -> None:
        """Add to the sum and count the signs."""
        super().add(vector)
        for name, value in vector.items():
            sign = torch.sign(value).to(torch.int16)
            self.signs[name] = self.signs[name] + sign if name in self.signs else sign

    def mask(self) -> dict[str, Tensor]:
        """Return the boolean mask M by parameter name; a weight that one model left where it was is not in it."""
        return {name: signs.abs() == self.count for name, signs in self.signs.items()}

    def merged(self) -> dict[str, Tensor]:
        """Return the mean inside the mask, 0 outside."""
        mask = self.mask()
        return {name: torch.where(mask[name], mean, 0.0) for name, mean in super().merged().items()}


class MagMax(Merger):
    """The entry of the largest magnitude among all vectors, with its sign; the first of equals.

    Source: Marczak et al. 2024, arXiv:2407.06322.
    """

    def __init__(self) -> None:
        self.largest: dict[str, Tensor] = {}

    def add(self, vector: Weights) -> None:
        """Replace the entries that are smaller."""
        for name, value in vector.items():
            held = self.largest.get(name)
            self.largest[name] = value.clone() if held is None else torch.where(value.abs() > held.abs(), value, held)

    def merged(self) -> dict[str, Tensor]:
        """Return the largest entries."""
        return self.largest


class Ties(Merger):
    """Trim each vector to its largest entries, elect the sign of the sum, and average the entries that have it.

    Source: Yadav et al. 2023, TIES-Merging, arXiv:2306.01708, algorithm 1 (its λ is the caller's).
    """

    def __init__(self, keep: float = 0.2) -> None:
        self.keep = keep
        self.sides = {1: Uniform(), -1: Uniform()}
        self.counts = {1: Uniform(), -1: Uniform()}

    def add(self, vector: Weights) -> None:
        """Trim and add each entry on its own side of zero."""
        kept = top_share({name: value.abs() for name, value in vector.items()}, self.keep)
        for side in (1, -1):
            chosen = {name: kept[name] & (side * value > 0) for name, value in vector.items()}
            self.sides[side].add({name: torch.where(chosen[name], value, 0.0) for name, value in vector.items()})
            self.counts[side].add({name: flag.float() for name, flag in chosen.items()})

    def merged(self) -> dict[str, Tensor]:
        """Return the mean over the models that agree with the elected sign."""
        up, down = self.sides[1].total, self.sides[-1].total
        merged = {}
        for name in up:
            elected_up = up[name] + down[name] > 0
            total = torch.where(elected_up, up[name], down[name])
            count = torch.where(elected_up, self.counts[1].total[name], self.counts[-1].total[name])
            merged[name] = torch.where(up[name] + down[name] == 0, 0.0, total / count.clamp_min(1.0))
        return merged


def merger(rule: Rule) -> Merger:
    """Return a fresh merger of that name."""
    kinds: dict[str, type[Merger]] = {"consensus": Consensus, "uniform": Uniform, "ties": Ties, "magmax": MagMax}
    return kinds[rule]()


def merge(vectors: Iterable[Weights], rule: Rule) -> dict[str, Tensor]:
    """Return the merged vector.

    Raises:
        ConfigurationError: there is no vector.

    >>> one, other = {"w": torch.tensor([1.0, 1.0, 0.0])}, {"w": torch.tensor([3.0, -1.0, 2.0])}
    >>> merge([one, other], "consensus")["w"], merge([one, other], "uniform")["w"]
    (tensor([2., 0., 0.]), tensor([2., 0., 1.]))
    """
    made, count = merger(rule), 0
    for vector in vectors:
        made.add(vector)
        count += 1
    if not count:
        raise ConfigurationError("there is no task vector to merge; give at least one learning rate and weight decay")
    return made.merged()
