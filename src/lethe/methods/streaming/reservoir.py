"""Reservoir: a memory of fixed size in which everything seen so far stands with equal probability."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch


@dataclass
class Reservoir:
    """A uniform sample of a stream whose length nobody knows.

    Args:
        capacity: most it holds.
        members: what it holds, by number.
        seen: how many were offered to it.

    Source: Vitter 1985, Random sampling with a reservoir, algorithm R.
    """

    capacity: int
    members: list[int] = field(default_factory=list)
    seen: int = 0

    def __len__(self) -> int:
        """Return how many it holds."""
        return len(self.members)

    def offer(self, number: int, generator: torch.Generator) -> None:
        """Take one more of the stream: the n-th gets a place with probability min(1, capacity / n)."""
        self.seen += 1
        if len(self.members) < self.capacity:
            self.members.append(number)
            return
        place = int(torch.randint(self.seen, (), generator=generator))
        if place < self.capacity:
            self.members[place] = number

    def drawn(self, count: int, generator: torch.Generator) -> list[int]:
        """Return as many different members, all where there are no more."""
        order = torch.randperm(len(self.members), generator=generator)[:count]
        return [self.members[place] for place in order.tolist()]
