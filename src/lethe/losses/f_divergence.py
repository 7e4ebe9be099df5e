"""FLAT: an f-divergence between a template answer and the forget answer, maximised in its variational form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.errors import ConfigurationError, nearest
from lethe.precision import full_precision

Curve = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FDivergence:
    """One row of FLAT's table: four curves, elementwise on tensors.

    Args:
        generator: f(t) for t > 0, convex with f(1) = 0.
        activation: g(v) for v in [0, 1], increasing.
        conjugate: f*(u) = sup_t (u t - f(t)), on the range of g.
        composed: h(v) = f*(g(v)), simplified so that it is exact near both ends; increasing on [0, 1].
    """

    generator: Curve
    activation: Curve
    conjugate: Curve
    composed: Curve


def flat(template: Tensor, forget: Tensor, divergence: str = "total_variation") -> Tensor:
    """Return FLAT, -g(v_e) + f*(g(v_f)): learn the template answer, unlearn the forget answer.

    v is the mean token PROBABILITY of an answer, (1/|y|) Σ_t p(y_t | x, y_<t), not its logarithm: the loss is bounded.
    Elementwise: give it one value an example, or the means over the batch, as the release does.

    Args:
        template: v_e, mean token probability of the template answer, in [0, 1].
        forget: v_f, mean token probability of the forget answer, in [0, 1].
        divergence: a name in `F_DIVERGENCES`.

    Returns:
        Values of the same shape.

    Raises:
        ConfigurationError: where the divergence is none of the registered.

    Source: Wang et al. 2025, arXiv:2410.11143. Its code has +v in the exponents of reverse KL, squared Hellinger and
    Neyman, whose curves then fall, so that it would learn the forget answer; here all curves rise, as in f-GAN.

    >>> round(flat(torch.tensor(0.5), torch.tensor(0.0), "total_variation").item(), 6)  # -½ tanh ½
    -0.231059
    >>> flat(torch.tensor(0.25), torch.tensor(0.5), "pearson").item()  # -¼ + ½ + 1/16
    0.3125
    """
    if divergence not in F_DIVERGENCES:
        raise ConfigurationError(f"there is no f-divergence '{divergence}'{nearest(divergence, F_DIVERGENCES)}")
    row = F_DIVERGENCES[divergence]
    return row.composed(full_precision(forget)) - row.activation(full_precision(template))


def _jeffrey_conjugate(u: Tensor) -> Tensor:
    """Return w + 1/w + u - 2 with w = W(e^{1-u}), Lambert's function: the root of w + log w = 1 - u.

    Newton's steps stay in the graph: then gradients of any order are those of the root. They climb to it without
    overshooting, for w + log w is concave and the start lies below it.

    >>> _jeffrey_conjugate(torch.tensor(0.0)).item()  # f*(0) = 0
    0.0
    """
    w = torch.exp(-u.clamp(min=0))
    for _ in range(8):
        w = w - (w + w.log() - 1 + u) / (1 + 1 / w)
    return w + 1 / w + u - 2


def _half_tanh(v: Tensor) -> Tensor:
    """Return ½ tanh v."""
    return 0.5 * v.tanh()


def _itself(v: Tensor) -> Tensor:
    """Return v."""
    return v


def _one_minus_exp(v: Tensor) -> Tensor:
    """Return 1 - e^{-v}."""
    return -torch.expm1(-v)


F_DIVERGENCES: Mapping[str, FDivergence] = MappingProxyType(
    {
        "total_variation": FDivergence(
            generator=lambda t: 0.5 * (t - 1).abs(),
            activation=_half_tanh,
            conjugate=_itself,
            composed=_half_tanh,
        ),
        "jensen_shannon": FDivergence(
            generator=lambda t: t * t.log() - (t + 1) * ((1 + t) / 2).log(),
            activation=lambda v: math.log(2) + F.logsigmoid(v),
            conjugate=lambda u: -(2 - u.exp()).log(),
            composed=lambda v: -F.logsigmoid(-v) - math.log(2),
        ),
        "pearson": FDivergence(
            generator=lambda t: (t - 1).square(),
            activation=_itself,
            conjugate=lambda u: u.square() / 4 + u,
            composed=lambda v: v.square() / 4 + v,
        ),
        "kl": FDivergence(
            generator=lambda t: t * t.log(),
            activation=_itself,
            conjugate=lambda u: (u - 1).exp(),
            composed=lambda v: (v - 1).exp(),
        ),
        "reverse_kl": FDivergence(
            generator=lambda t: -t.log(),
            activation=lambda v: -(-v).exp(),
            conjugate=lambda u: -1 - (-u).log(),
            composed=lambda v: v - 1,
        ),
        "squared_hellinger": FDivergence(
            generator=lambda t: (t.sqrt() - 1).square(),
            activation=_one_minus_exp,
            conjugate=lambda u: u / (1 - u),
            composed=torch.expm1,
        ),
        "neyman": FDivergence(
            generator=lambda t: (1 - t).square() / t,
            activation=_one_minus_exp,
            conjugate=lambda u: 2 - 2 * (1 - u).sqrt(),
            composed=lambda v: -2 * torch.expm1(-v / 2),
        ),
        "jeffrey": FDivergence(
            generator=lambda t: (t - 1) * t.log(),
            activation=_itself,
            conjugate=_jeffrey_conjugate,
            # The release takes the series v + v²/4 + v³/16 instead, within 1.4 % of it on [0, 1].
            composed=_jeffrey_conjugate,
        ),
    }
)
