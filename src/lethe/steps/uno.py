"""Unlearning by orthogonal gradients: descend where the retain loss falls and the forget loss does not move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.steps.base import Step, memory, moving
from lethe.steps.pairs import PairStep
from lethe.terms import Gradients, Terms

TINY = 1e-12  # added to what is divided by, as in the release for large models


@dataclass(frozen=True)
class Surgery(PairStep):
    """Take out of one gradient all that lies along the other, whatever its sign, and leave the other out.

    Args:
        keep: `retain` steps with g_r - g_f (g_f·g_r)/‖g_f‖² (S), `forget` with g_f - g_r (g_f·g_r)/‖g_r‖² (SA), where
            the forget term is one that forgets when it falls, as in gradient ascent.

    Source: Mandal and Gottwald 2025, UNO, arXiv:2506.04712 (surgery of the second and of the first kind).
    """

    keep: Literal["retain", "forget"] = "retain"

    def combine(self, forget: Gradients, retain: Gradients) -> Gradients:
        """Return the one projected gradient."""
        kept, other = (retain, forget) if self.keep == "retain" else (forget, retain)
        along = _dot(kept, other) / (_dot(other, other) + TINY)
        return [k - along * o for k, o in zip(kept, other, strict=True)]


@dataclass(frozen=True)
class UNO(Step):
    """Descend the retain terms where the forget gradient stands upright on theirs: L_r + λ_o O (+ λ_f L_f).

    O = (g_f·g_r)² / (‖g_f‖² ‖g_r‖²), the squared cosine of both gradients, whose gradient takes second derivatives
    (exact, over the whole batch). O is blind to sign: a forget term and its negative are the same to it, so that with
    λ_f = 0 any forget term that is a multiple of the forget loss gives the published method. With λ_o = λ_f = 0 it is
    fine-tuning on the retain set.

    Args:
        orthogonality: λ_o. Published with losses summed over pixels (1000) and with mean losses (0.02); those here are
            means, so the latter is the default.
        forget: λ_f, weight of the forget term itself.
        alternate: UNO-S: every second step is one of `Surgery` instead, with the same optimiser.

    Source: Mandal and Gottwald 2025, UNO, arXiv:2506.04712; λ_o of the release for large models.
    """

    orthogonality: float = 0.02
    forget: float = 0.0
    alternate: bool = False

    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once."""
        kept = memory(optimizer)
        kept["steps of uno"] = kept.get("steps of uno", 0) + 1
        if self.alternate and kept["steps of uno"] % 2 == 0:
            return Surgery()(model, terms, optimizer)
        weights = moving(optimizer)
        optimizer.zero_grad(set_to_none=True)
        forget, retain, values = terms.split(weights)
        total = list(torch._foreach_add(retain, forget, alpha=self.forget))
        if self.orthogonality:
            slope = terms.curvature(weights, *squared_cosine_slopes(forget, retain, "forget"))
            torch._foreach_add_(total, slope, alpha=self.orthogonality)
        for weight, gradient in zip(weights, total, strict=True):
            weight.grad = gradient
        optimizer.step()
        return values


def squared_cosine_slopes(one: Gradients, other: Gradients, name: str) -> tuple[Gradients, str, Gradients]:
    """Return ∂O/∂one, the name, and ∂O/∂other, O = (one·other)² / (‖one‖² ‖other‖²)."""
    along, first, second = _dot(one, other), _dot(one, one), _dot(other, other)
    scale = 2 * along / (first * second + TINY)

    def slope(own: Gradients, across: Gradients, length: Tensor) -> Gradients:
        return [scale * (a - along / (length + TINY) * o) for o, a in zip(own, across, strict=True)]

    return slope(one, other, first), name, slope(other, one, second)


def _dot(one: Gradients, other: Gradients) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(one, other, strict=True)]).sum()
