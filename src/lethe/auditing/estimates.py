"""Divergences between two samples through a kernel, each with what every single draw contributes to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.auditing.kernels import Pair

EFFORT = 50.0  # iterations at λ = 1; the error, at most some 0.005, falls with λ times their square


@dataclass(frozen=True, eq=False)
class Estimate:
    """A divergence D(P‖Q) estimated at S settings from X ~ P and Y ~ Q.

    Attributes:
        value: [S].
        first: [S, n] first-order influence of each x on the value, up to a constant.
        second: [S, m] first-order influence of each y, up to a constant.
    """

    value: Tensor
    first: Tensor
    second: Tensor


Divergence = Callable[[Pair], Estimate]


def joined(estimates: Sequence[Estimate]) -> Estimate:
    """Return estimates of the same samples side by side: S is the sum of their settings."""
    columns = zip(*((e.value, e.first, e.second) for e in estimates), strict=True)
    return Estimate(*(torch.cat(column) for column in columns))


def mmd(pair: Pair) -> Estimate:
    """Return the unbiased squared maximum mean discrepancy, S = number of bandwidths.

    MMD² = mean_{i≠j} k(x_i,x_j) + mean_{i≠j} k(y_i,y_j) - 2 mean k(x_i,y_j). Where row i of both samples is the same
    input, the pairs (x_i, y_i) are left out of the last mean as well: they are not independent draws, and with them
    two equal samples would have a negative discrepancy instead of 0.

    Source: Gretton et al. 2012, A Kernel Two-Sample Test, lemma 6; influences: Bounliphone et al. 2016,
    arXiv:1511.04581, with 2(E k(x,·) - E k(·,y)) in the place of its equal-size plug-in.
    """
    within_x, within_y = _others(pair.first), _others(pair.second)
    if pair.aligned:
        to_y, to_x = _others(pair.cross), _others(pair.cross.mT)
    else:
        to_y, to_x = pair.cross.mean(2), pair.cross.mean(1)
    first, second = 2 * (within_x - to_y), 2 * (within_y - to_x)
    return Estimate((first.mean(1) + second.mean(1)) / 2, first, second)


def _others(kernel: Tensor) -> Tensor:
    """Return the mean over all columns but the row's own, [S, n]."""
    return (kernel.sum(2) - kernel.diagonal(dim1=1, dim2=2)) / (kernel.shape[2] - 1)


def chi_squared(pair: Pair, regularisation: float) -> Estimate:
    """Return the regularised χ² divergence, S = number of bandwidths.

    D = sup_h E_P[h] - E_Q[h + h²/2] - (λ/2)‖h‖² = ½⟨μ_P - μ_Q, h⟩ at the witness h = (Σ_Q + λI)⁻¹(μ_P - μ_Q), Σ_Q the
    second moment of Q. Since the witness is the maximiser, to first order a draw moves D by its own term alone.

    Args:
        pair: the kernel matrices.
        regularisation: λ.

    Source: Ribero, Schrab and Gretton 2026, arXiv:2601.19755 (regularised f-divergences).
    """
    at_x, at_y = chi_squared_witness(pair, regularisation)
    return Estimate((at_x.mean(1) - at_y.mean(1)) / 2, at_x, -(at_y + at_y.square() / 2))


def chi_squared_witness(pair: Pair, regularisation: float) -> tuple[Tensor, Tensor]:
    """Return the values of h = (Σ_Q + λI)⁻¹(μ_P - μ_Q) at X [S, n] and at Y [S, m], in closed form.

    With v = μ_P - μ_Q the inverse is (1/λ)(v - k(·,Y) c), c = (K_YY + mλI)⁻¹ v(Y): one solve of size m.
    """
    size = pair.second.shape[2]
    mean_at_x = pair.first.mean(2) - pair.cross.mean(2)
    mean_at_y = pair.cross.mean(1) - pair.second.mean(2)
    ridge = size * regularisation * torch.eye(size, dtype=pair.second.dtype)
    factor = torch.linalg.cholesky(pair.second + ridge)
    weights = torch.cholesky_solve(mean_at_y.unsqueeze(2), factor).squeeze(2)
    at_x = (mean_at_x - (pair.cross @ weights.unsqueeze(2)).squeeze(2)) / regularisation
    return at_x, size * weights


def hockey_stick(pair: Pair, regularisation: float, epsilon: float) -> Estimate:
    """Return the regularised hockey-stick divergence, S = number of bandwidths.

    D = sup_{0≤h≤1} E_P[h] - e^ε E_Q[h] - (λ/2)‖h‖², the bounds held at the sample points; without the penalty this is
    the smallest δ for which P and Q are (ε, δ)-close in the sense of differential privacy.

    Args:
        pair: the kernel matrices.
        regularisation: λ.
        epsilon: ε ≥ 0.

    Source: Ribero, Schrab and Gretton 2026, arXiv:2601.19755; how the witness is found, in the span of the sample, is
    our own.
    """
    kernel = torch.cat([torch.cat([pair.first, pair.cross], 2), torch.cat([pair.cross.mT, pair.second], 2)], 1)
    n, m = pair.first.shape[2], pair.second.shape[2]
    target = torch.cat([kernel.new_full((n,), 1 / n), kernel.new_full((m,), -math.exp(epsilon) / m)])
    coefficients = _box_constrained(kernel, target, regularisation)
    witness = (kernel @ coefficients.unsqueeze(2)).squeeze(2) / regularisation
    penalty = (coefficients * witness).sum(1) / 2
    witness = witness.clamp(0, 1)
    return Estimate(witness @ target - penalty, witness[:, :n], -math.exp(epsilon) * witness[:, n:])


def _box_constrained(kernel: Tensor, target: Tensor, regularisation: float) -> Tensor:
    """Return s [S, N] with which h = K s / λ maximises wᵀh - (λ/2)‖h‖² under 0 ≤ h ≤ 1, w the target [N].

    The dual is min_s sᵀK s / 2λ + Σ max(w_i - s_i, 0), free of constraints: accelerated proximal gradient steps whose
    proximal map shrinks w - s from above.
    """
    step = regularisation / torch.linalg.matrix_norm(kernel, ord=2).unsqueeze(1)
    s = ahead = target.expand(kernel.shape[0], -1).contiguous()
    momentum = 1.0
    for _ in range(math.ceil(EFFORT / math.sqrt(regularisation))):
        moved = ahead - step * (kernel @ ahead.unsqueeze(2)).squeeze(2) / regularisation
        # Above w the hinge is flat; below it pulls up by one step, but not past w.
        following = torch.where(moved >= target, moved, torch.minimum(moved + step, target))
        grown = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / grown * (following - s)
        s, momentum = following, grown
    return s
