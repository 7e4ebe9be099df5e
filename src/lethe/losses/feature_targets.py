"""Losses on features of forget examples: how far they are from where a method sends them, a class or the origin."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.precision import full_precision

SMALL = 1e-12


def cosine_distance(features: Tensor, targets: Tensor) -> Tensor:
    """Return 1 - cos(φ, μ) for each row; a row of zeros has distance 1.

    Args:
        features: [..., d] φ.
        targets: [..., d] μ, of a shape that broadcasts with the features; they get no gradient.

    Returns:
        [...] values between 0 and 2.

    Source: Cotogni et al. 2023, DUCK, arXiv:2312.02052.

    >>> round(cosine_distance(torch.tensor([[1.0, 1.0]]), torch.tensor([[3.0, 0.0]])).item(), 6)  # 1 - 1/√2
    0.292893
    """
    return 1 - F.cosine_similarity(full_precision(features), full_precision(targets).detach(), dim=-1, eps=SMALL)


def contraction(values: Tensor) -> Tensor:
    """Return ‖m‖₂ of each row, as sqrt(‖m‖² + ε), whose gradient is defined at 0 and has length 1 elsewhere.

    Args:
        values: [B, d] logits or features m.

    Returns:
        [B] values, at least 0 up to ε = 1e-12.

    Source: One-Point-Contraction Unlearning, arXiv:2507.07754.

    >>> round(contraction(torch.tensor([[3.0, 4.0]])).item(), 6)
    5.0
    """
    return (full_precision(values).square().sum(-1) + SMALL).sqrt()


def largest_probability(radius: float, classes: int) -> float:
    """Return the largest probability that logits of norm r can give, 1 / (1 + (C-1) e^(-r √(C/(C-1)))).

    At r = 0 it is 1/C: what OPC contracts has nothing to say.

    Args:
        radius: r, at least 0.
        classes: C, at least 2.

    >>> largest_probability(0.0, 4), round(largest_probability(2**0.5, 2), 6)  # 1/4; 1 / (1 + e^-2), of (1, -1)
    (0.25, 0.880797)
    """
    spread = torch.tensor(-radius * (classes / (classes - 1)) ** 0.5, dtype=torch.float64)
    return float(1 / (1 + (classes - 1) * spread.exp()))


def tukey(features: Tensor, power: float) -> Tensor:
    """Return sign(φ) |φ|^δ elementwise, Tukey's ladder of powers; the gradient at 0 is 0.

    For features that are at least 0 this is φ^δ, as published; the sign makes it defined for others.

    Args:
        features: [..., d] φ.
        power: δ, above 0.

    Source: Bonato et al. 2024, SCAR (δ = 1/2).

    >>> tukey(torch.tensor([4.0, 0.0, -9.0]), 0.5)
    tensor([ 2.,  0., -3.])
    """
    values = full_precision(features)
    there = values != 0
    # At 0 the gradient of a root is infinite, and becomes NaN where dropout multiplies it with 0.
    return torch.where(there, torch.where(there, values.abs(), 1.0).pow(power) * values.sign(), 0.0)


def class_distance(features: Tensor, mean: Tensor, whitening: Tensor) -> Tensor:
    """Return ‖W u‖², u = φ̃/‖φ̃‖ - μ/‖μ‖: the squared Mahalanobis distance of directions to one class.

    With W the identity it is 2 - 2 cos(φ̃, μ).

    Args:
        features: [B, d] φ̃, after Tukey's power.
        mean: [d] μ, the class's mean of the same.
        whitening: [d, d] W with WᵀW the inverse of the class's correlation matrix.

    Returns:
        [B] values, at least 0.

    Source: Bonato et al. 2024, SCAR.

    >>> class_distance(torch.tensor([[0.0, 2.0]]), torch.tensor([5.0, 0.0]), torch.eye(2))
    tensor([2.])
    """
    away = F.normalize(full_precision(features), dim=-1, eps=SMALL) - F.normalize(full_precision(mean), dim=-1)
    return (away @ whitening.to(away.dtype).T).square().sum(-1)
