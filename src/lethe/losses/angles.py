"""Logits by their factors: a dot product is lengths times cosine, and may be trained on the cosine alone."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-6
"""Added to every length, so that a feature of zeros has a cosine, 0."""


def cosines(features: Tensor, prototypes: Tensor) -> Tensor:
    """Return cos θ_c = h · w_c / (‖h‖ ‖w_c‖) of every feature and class, in [-1, 1].

    Args:
        features: [B, D], what enters the last layer.
        prototypes: [C, D], the weights of the last layer.

    Returns:
        [B, C].

    >>> cosines(torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.5]]))
    tensor([[0.6000, 0.8000]])
    """
    lengths = torch.linalg.vector_norm(features, dim=1) + EPSILON
    of_classes = torch.linalg.vector_norm(prototypes, dim=1) + EPSILON
    return features @ prototypes.T / (lengths[:, None] * of_classes)


def cosine_logits(features: Tensor, prototypes: Tensor, temperature: float = 0.09) -> Tensor:
    """Return logits that see the angle alone, cos θ_c / τ, [B, C].

    Their gradient is orthogonal to the feature and to every prototype: to first order, a step changes no length.

    Args:
        features: [B, D].
        prototypes: [C, D].
        temperature: τ; at 1 the cross-entropy cannot fall below log(1 + (C - 1) e⁻²).

    Source: Lin et al. 2023, UER, arXiv:2309.04081; temperature of the same group's PCR, arXiv:2304.04408.
    """
    return cosines(features, prototypes) / temperature
