"""Inverse-Hessian-vector products from single-example gradients, exact and as WoodFisher's release computes them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def woodbury(gradients: Tensor, vector: Tensor, damping: float) -> Tensor:
    """Return (I + (1/M) Σ_i g_i g_iᵀ)⁻¹ v, what the exact rank-one recursion over all g_i ends with.

    v - G (M I + Gᵀ G)⁻¹ Gᵀ v: one n × n system in the place of n updates of length d.

    Args:
        gradients: [n, d] one gradient an example; all are held in memory.
        vector: [d] v.
        damping: M.

    Returns:
        [d].

    Source: Singh and Alistarh 2020, WoodFisher, arXiv:2004.14340, by the Woodbury identity.

    >>> woodbury(torch.tensor([[1.0, 0.0]]), torch.tensor([2.0, 3.0]), 1.0)  # (I + e₁e₁ᵀ)⁻¹ v
    tensor([1., 3.])
    """
    # n × n entries are sums over millions of weights: taken in double, or they drown the small eigenvalues.
    gram = (gradients @ gradients.t()).double()
    inner = torch.linalg.solve(gram + damping * torch.eye(len(gram), dtype=torch.float64, device=gram.device),
                               (gradients @ vector).double())  # fmt: skip
    return vector - gradients.t() @ inner.to(vector.dtype)


def low_rank_inverse(factors: Tensor, weights: Tensor, vector: Tensor, damping: float) -> Tensor:
    """Return (λ I + Σ_k c_k u_k u_kᵀ)⁻¹ g without a d × d matrix; c_k may be 0 or negative.

    (g - U (λ I + C Uᵀ U)⁻¹ C Uᵀ g) / λ; with one factor that is (g - c u (uᵀ g) / (λ + c uᵀ u)) / λ.

    Args:
        factors: [k, d] u_k.
        weights: [k] c_k.
        vector: [d] g.
        damping: λ.

    Returns:
        [d] float64.

    >>> low_rank_inverse(torch.tensor([[2.0, 0.0]]), torch.tensor([0.25]), torch.tensor([2.0, 3.0]), 1.0)
    tensor([1., 3.], dtype=torch.float64)
    """
    u, g = factors.double(), vector.double()
    c = weights.double().unsqueeze(1)
    inner = damping * torch.eye(len(u), dtype=torch.float64, device=u.device) + c * (u @ u.t())
    return (g - u.t() @ torch.linalg.solve(inner, c.squeeze(1) * (u @ g))) / damping


def released_recursion(gradients: Iterable[Tensor], vector: Tensor, damping: float) -> Tensor:
    """Return the product as the release of Unlearn-Sparse computes it, in one pass that keeps one vector.

    o = g_1, k = v; for i ≥ 2: k ← k - (k·g_i)/(M + o·g_i) o, o ← o - (o·g_i)/(M + o·g_i) o. No H⁻¹g_i is ever
    computed, so this is the inverse only while the gradients are small against M ((1/M) Σ‖g‖² up to about 7).

    Args:
        gradients: [d] each, one an example, seen once.
        vector: [d] v.
        damping: M.

    Returns:
        [d].
    """
    along: Tensor | None = None
    result = vector.clone()
    for gradient in gradients:
        if along is None:
            along = gradient.clone()
            continue
        overlap = along @ gradient
        scale = damping + overlap
        result -= (result @ gradient) / scale * along
        along -= overlap / scale * along
    return result
