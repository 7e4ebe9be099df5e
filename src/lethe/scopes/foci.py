"""CODEC and FOCI: a coefficient of conditional dependence from nearest neighbours, and the features chosen by it."""

from __future__ import annotations

import torch
from torch import Tensor

JITTER = 1e-5
ENTRIES = 128_000  # of distances worked on at once: they stay in a processor's cache


def codec(target: Tensor, features: Tensor, given: Tensor | None = None) -> float:
    """Return T(Y, Z) or T(Y, Z | X): about 0 where Y is independent of Z (given X), 1 where Z determines Y.

    With R_i the rank of Y_i, L_i = n + 1 - R_i, M(i) the nearest neighbour of i in (X, Z) and N(i) that in X:
    T(Y, Z) = Σ [n min(R_i, R_M(i)) - L_i²] / Σ L_i (n - L_i), M(i) in Z alone;
    T(Y, Z | X) = Σ [min(R_i, R_M(i)) - min(R_i, R_N(i))] / Σ [R_i - min(R_i, R_N(i))].
    Ties are the caller's to break, with `untied`.

    Args:
        target: [n] Y.
        features: [n] or [n, q] Z.
        given: [n] or [n, p] X.

    Source: Azadkia and Chatterjee 2021, arXiv:1910.12327, eq. 2.1.

    >>> y = torch.tensor([1.0, 2.0, 4.0, 8.0])  # M = (2, 1, 2, 3): min R = (1, 1, 2, 3), L = (4, 3, 2, 1)
    >>> codec(y, y)  # (4 · 7 - 30) / (0 + 3 + 4 + 3)
    -0.2
    """
    ranks = _ranks(target)
    z = features.view(len(target), -1)
    if given is None:
        return float(_unconditional(ranks, _nearest(_distances(z))))
    x = _distances(given.view(len(target), -1))
    return float(_conditional(ranks, _nearest(x + _distances(z)), _nearest(x)))


def foci(target: Tensor, features: Tensor) -> list[int]:
    """Return the features that Y depends on, the strongest first: FOCI, a greedy search for its Markov blanket.

    It begins with argmax_j T(Y, Z_j), adds argmax_l T(Y, Z_l | those chosen) and ends where the largest is not above 0.
    One round costs n² operations a feature.

    Args:
        target: [n] Y.
        features: [n, p] Z.

    Source: Azadkia and Chatterjee 2021, arXiv:1910.12327, section 5.
    """
    ranks = _ranks(target)
    left = list(range(features.shape[1]))
    marginal = _marginal(ranks, features)
    chosen = [int(marginal.argmax())]
    distances = _distances(features[:, chosen])
    while True:
        left.remove(chosen[-1])
        scores = _added(ranks, features[:, left], distances)
        if not len(scores) or float(scores.max()) <= 0:
            return chosen
        chosen.append(left[int(scores.argmax())])
        distances += _distances(features[:, chosen[-1:]])


def most_dependent(target: Tensor, features: Tensor) -> Tensor:
    """Return T(Y, Z_j) of every feature, [p]."""
    return _marginal(_ranks(target), features)


def untied(values: Tensor, generator: torch.Generator) -> Tensor:
    """Return the values, centred, with Gaussian noise of 1e-5 of each column's spread: no two of them are equal.

    Without it, values that repeat (binary ones, units that are constant) have no nearest neighbour.
    """
    centred = values.double() - values.double().mean(0)
    spread = centred.std(0)
    noise = torch.randn(values.shape, generator=generator, dtype=torch.float64).to(values.device)
    return (centred + JITTER * torch.where(spread > 0, spread, 1.0) * noise).float()


def _ranks(target: Tensor) -> Tensor:
    """Return 1 … n in the order of the values, [n] float64."""
    ranks = torch.empty(len(target), dtype=torch.float64, device=target.device)
    ranks[target.argsort(stable=True)] = torch.arange(1.0, len(target) + 1, dtype=torch.float64, device=target.device)
    return ranks


def _distances(points: Tensor) -> Tensor:
    """Return squared distances, [n, n], infinite on the diagonal: nothing is its own neighbour."""
    # Differences are squared one by one: the shorter formula loses neighbours that lie close.
    total = points.new_zeros(len(points), len(points))
    for column in points.unbind(1):
        total += (column.unsqueeze(1) - column).square_()
    return total.fill_diagonal_(float("inf"))


def _nearest(distances: Tensor) -> Tensor:
    return distances.argmin(1)


def _marginal(ranks: Tensor, features: Tensor) -> Tensor:
    """Return T(Y, Z_j) of each column, [p]: on a line the nearest neighbour is next in order."""
    values, order = features.sort(0)
    gap = values.diff(dim=0)
    edge = torch.full_like(gap[:1], float("inf"))
    before, after = torch.cat([edge, gap]), torch.cat([gap, edge])
    step = torch.where(before < after, -1, 1)
    place = torch.arange(len(features), device=features.device).unsqueeze(1) + step
    neighbour = torch.empty_like(order).scatter_(0, order, order.gather(0, place))
    return _unconditional(ranks.unsqueeze(1), neighbour)


def _unconditional(ranks: Tensor, nearest: Tensor) -> Tensor:
    count, own = len(ranks), ranks.flatten()
    above = count + 1 - own
    shape = (-1,) + (1,) * (nearest.dim() - 1)
    smaller = torch.minimum(own.view(shape), own[nearest])
    top: Tensor = (count * smaller - above.square().view(shape)).sum(0)
    return top / (above * (count - above)).sum()


def _conditional(ranks: Tensor, with_feature: Tensor, without: Tensor) -> Tensor:
    """Return T(Y, Z | X) for neighbours M, [..., n], and N, [n]; 0 where X determines Y and no Z can add to it."""
    base = torch.minimum(ranks, ranks[without])
    below = (ranks - base).sum()
    gained = (torch.minimum(ranks, ranks[with_feature]) - base).sum(-1)
    return torch.where(below > 0, gained / below.clamp_min(1), 0.0)


def _added(ranks: Tensor, features: Tensor, distances: Tensor) -> Tensor:
    """Return T(Y, Z_j | X) of each column, [p], for the squared distances in X, [n, n]."""
    nearest = torch.empty(features.shape[::-1], dtype=torch.long, device=features.device)
    columns, count = features.t().contiguous(), len(features)
    step = max(1, ENTRIES // count)
    for start in range(0, count, step):
        known = distances[start : start + step]
        for column, found in zip(columns, nearest, strict=True):
            apart = column[start : start + step].unsqueeze(1) - column
            found[start : start + step] = apart.square_().add_(known).argmin(-1)
    return _conditional(ranks, nearest, _nearest(distances))
