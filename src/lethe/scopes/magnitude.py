"""Scopes that need no data: by magnitude, by pruning pattern, and at random as a control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lethe.scopes.base import Mask, Scope
from lethe.scopes.importance import top_share

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class Magnitude(Scope):
    """The share of weights with the largest magnitude may move, over all parameters together.

    Args:
        keep: share of the weights that may move.
    """

    keep: float = 0.5

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask of the largest weights."""
        sizes = {name: p.detach().abs() for name, p in problem.model.named_parameters()}
        return Mask(dict(top_share(sizes, self.keep)))


@dataclass(frozen=True)
class NonZero(Scope):
    """The weights that a pruned model still has may move; its zeros stay zero."""

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask of the entries of matrices and convolutions that are not zero; vectors move freely."""
        return Mask({n: p.detach() != 0 if p.dim() >= 2 else True for n, p in problem.model.named_parameters()})


@dataclass(frozen=True)
class RandomMask(Scope):
    """A random share of the weights may move: the control that any informed scope must beat.

    Args:
        keep: share of the weights that may move.
    """

    keep: float = 0.5

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask, drawn from the run's seed."""
        generator = run.generator("random mask")
        scores = {
            name: torch.rand(p.shape, generator=generator).to(p.device) for name, p in problem.model.named_parameters()
        }
        return Mask(dict(top_share(scores, self.keep)))
