"""Name restoration: what teachers under other names say of these names is said of the true one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lethe.methods.descent.translated import first_tokens

FLOOR = 1e-8
LIKELY = 0.1


@dataclass(frozen=True)
class Target:
    """What one text says of one name, in terms of its answer's tokens.

    Attributes:
        known_from: the first token of the answer that stands after a first mention.
        mentions: (place, token) of the first token of every mention but the first.
        own: the true name's first token, after a space and without one.
        others: for each teacher the first tokens of the words of its replacement, after a space and without one.
    """

    known_from: int
    mentions: Sequence[tuple[int, int]]
    own: tuple[int, int]
    others: Sequence[tuple[Sequence[int], Sequence[int]]]


def word_tokens(name: str, tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the first token of every word of a name, after a space, and the same without one."""
    tokens = [first_tokens(word, tokenizer) for word in name.split()]
    return [own[0] for own in tokens], [own[-1] for own in tokens]


def restore(probabilities: Tensor, place: int, token: int, others: Sequence[int]) -> None:
    """Move the mass of other first tokens to the true one at a place, in place.

    p[c] += p[c'] - 1e-8 and p[c'] = 1e-8 for every c' whose mass is above that.

    Args:
        probabilities: [L, V] of one text and teacher.
        place: the position.
        token: c.
        others: the tokens c'.

    >>> p = torch.tensor([[0.5, 0.3, 0.2]])
    >>> restore(p, 0, 0, [1])
    >>> [round(value, 6) for value in p[0].tolist()]
    [0.8, 0.0, 0.2]
    """
    taken = torch.tensor(sorted(set(others) - {token}), dtype=torch.long, device=probabilities.device)
    mass = probabilities[place, taken]
    moving = (mass - FLOOR).clamp_min(0)
    probabilities[place, taken] = mass - moving
    probabilities[place, token] += moving.sum()


def restore_likely(teachers: Tensor, target: Target) -> None:
    """Move, after a first mention, the mass of replacements that most teachers expect to the true name, in place.

    Where more than half of the teachers give more than 0.1 to one of the first tokens of their replacement, all of them
    give it to the true name's first token of the same spelling; the spelling after a space is looked at first.

    Args:
        teachers: [N, L, V] probabilities of one text.
        target: the name.
    """
    count, length, _ = teachers.shape
    likely = [
        torch.stack([(teachers[n, :, list(target.others[n][s])] > LIKELY).any(-1) for n in range(count)]).sum(0)
        for s in (0, 1)
    ]
    for place in range(min(target.known_from, length), length):
        spelling = next((s for s in (0, 1) if int(likely[s][place]) * 2 > count), None)
        if spelling is None:
            continue
        for n in range(count):
            restore(teachers[n], place, target.own[spelling], target.others[n][spelling])
