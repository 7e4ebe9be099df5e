"""Orders of slices: which permutations to train, so that after many deletions some prefix is still whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from lethe.errors import ConfigurationError

SHARPNESS = 100  # t: high powers let the first slices of an order decide

Order = tuple[int, ...]


def cyclic(slices: int, count: int) -> list[Order]:
    """Return `count` different orders of slices 0 … L-1, each slice first in one of the first L.

    The first L are the rotations to the right; further ones keep the first slice of each and rotate the rest, and so
    on inwards.

    Raises:
        ConfigurationError: there are not so many orders, or fewer than one is asked for.

    Source: S3T, arXiv:2406.16257, section 3.3 (no knowledge of who deletes).

    >>> cyclic(4, 5)
    [(0, 1, 2, 3), (3, 0, 1, 2), (2, 3, 0, 1), (1, 2, 3, 0), (0, 3, 1, 2)]
    """
    found = list(itertools.islice(_cyclic(tuple(range(slices))), max(count, 0)))
    if count < 1 or len(found) < count:
        raise ConfigurationError(f"{slices} slices have {len(found)} orders; a budget of {count} is out of range")
    return found


def _cyclic(slices: Order) -> Iterator[Order]:
    if len(slices) <= 1:
        yield slices
        return
    rotations = [slices[-turn:] + slices[:-turn] if turn else slices for turn in range(len(slices))]
    yield from rotations
    # Only who asks for more than L orders pays for the rest: there are L! of them.
    tails = (itertools.islice(_cyclic(rotation[1:]), 1, None) for rotation in rotations)
    for chosen in zip(*tails, strict=True):
        for rotation, tail in zip(rotations, chosen, strict=True):
            yield rotation[:1] + tail


def score(order: Sequence[int], probabilities: Sequence[float]) -> float:
    """Return Σ_n n · (1 - Σ_{i≤n} p_i)^t, n = 1 … L, t = 100: high where unlikely deletions come first."""
    left = 1 - np.cumsum([probabilities[i] for i in order])
    return float(np.sum(np.arange(1, len(order) + 1) * left.clip(0) ** SHARPNESS))


def matched(probabilities: Sequence[float], count: int) -> list[Order]:
    """Return `count` orders that put slices unlikely to be deleted first, each slice once in every position.

    The orders begin with a slice each and grow by the assignment of slices to orders whose scores have the largest
    sum, position by position.

    Args:
        probabilities: [L] of a deletion in each slice, together at most 1.
        count: at most L.

    Raises:
        ConfigurationError: the probabilities are none, or more orders than slices are asked for.

    Source: S3T, arXiv:2406.16257, section 3.3 (bipartite matching).
    """
    slices = len(probabilities)
    if any(p < 0 for p in probabilities) or sum(probabilities) > 1 + 1e-9:
        raise ConfigurationError(f"{tuple(probabilities)} are no probabilities of deletion; they add up to at most 1")
    if not 1 <= count <= slices:
        raise ConfigurationError(f"matching makes 1 to {slices} orders of {slices} slices, not {count}")
    orders: list[Order] = [(i,) for i in range(slices)]
    for _ in range(slices - 1):
        gains = np.array(
            [[score((*o, j), probabilities) if j not in o else -1.0 for j in range(slices)] for o in orders]
        )
        rows, columns = linear_sum_assignment(gains, maximize=True)
        orders = [(*orders[i], int(j)) for i, j in zip(rows, columns, strict=True)]
    return sorted(orders, key=lambda order: -score(order, probabilities))[:count]


def expected_deletions(shards: int, slices: int, orders: int) -> float:
    """Return how many deletions of random slices a service survives on average: mL · H_{m·min(B, L)}.

    H_n is the harmonic number; an order is lost when its first slice is hit, and the service when all are.

    >>> round(expected_deletions(5, 6, 1), 1), round(expected_deletions(5, 6, 6), 1)
    (68.5, 119.8)
    """
    firsts = shards * min(orders, slices)
    return shards * slices * sum(1 / n for n in range(1, firsts + 1))
