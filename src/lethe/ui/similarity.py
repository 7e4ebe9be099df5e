"""Similarity: how alike two models see the same examples, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lethe.errors import InputError

MOST_LAYERS = 32


def linear_cka(first: Tensor, second: Tensor) -> float:
    """Return the linear centred kernel alignment of two representations of the same N examples, in [0, 1].

    CKA(X, Y) = ‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖), Frobenius norms of the centred X [N, D] and Y [N, E]. It is 1 where one is a
    rotation and scaling of the other, however the units are numbered. NaN where a representation is constant.

    Raises:
        InputError: the two have different numbers of examples.

    Source: Kornblith et al. 2019, arXiv:1905.00414, eq. 5.

    >>> x = torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 5.0]])
    >>> round(linear_cka(x, 3 * x.flip(1)), 6), round(linear_cka(x, x[:, :1]), 3)
    (1.0, 0.176)
    """
    if len(first) != len(second):
        raise InputError(f"similarity needs the same examples in both models, not {len(first)} and {len(second)}")
    x, y = (each.double() - each.double().mean(0) for each in (first, second))
    # Of the two ways to the same norms, products of features and products of examples, the smaller.
    if len(x) < max(x.shape[1], y.shape[1]):
        kernels = x @ x.T, y @ y.T
        cross, own, other = (kernels[0] * kernels[1]).sum(), *(torch.linalg.matrix_norm(k) for k in kernels)
    else:
        cross = torch.linalg.matrix_norm(x.T @ y).square()
        own, other = torch.linalg.matrix_norm(x.T @ x), torch.linalg.matrix_norm(y.T @ y)
    return float(cross / (own * other)) if own > 0 and other > 0 else float("nan")


def by_layer(own: Mapping[str, Tensor], reference: Mapping[str, Tensor], layers: Sequence[str]) -> list[float | None]:
    """Return the similarity of each layer to the layer of the same name; None where a model has none of that name."""
    return [linear_cka(own[name], reference[name]) if name in own and name in reference else None for name in layers]


def chosen_layers(names: Sequence[str], most: int = MOST_LAYERS) -> list[str]:
    """Return at most so many layers, evenly spaced from the first to the last.

    >>> chosen_layers(["a", "b", "c", "d", "e"], 3)
    ['a', 'c', 'e']
    """
    if len(names) <= most:
        return list(names)
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]
