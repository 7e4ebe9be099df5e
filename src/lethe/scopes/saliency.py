"""Weight saliency: only the weights that matter most for the forget loss may move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from lethe.examples import Batch
from lethe.scopes.base import Mask, Scope
from lethe.scopes.importance import summed_gradient, top_share

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class Saliency(Scope):
    """The share of weights with the largest |Σ_batches ∇L(θ0; forget)| may move, over all parameters together.

    Signed gradients are summed before the absolute value is taken; the model is in eval mode.

    Args:
        keep: share ρ of the weights that may move; exactly int(ρ·|θ|) of them do.
        batch_size: examples a batch of the gradient pass.

    Source: Fan et al. 2024, SalUn, arXiv:2310.12508, eq. 3-4.
    """

    keep: float = 0.5
    batch_size: int = 64

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask from one gradient pass over the forget set."""

        def loss(model: nn.Module, batch: Batch) -> Tensor:
            return problem.task.losses(model, batch).mean()

        gradients = summed_gradient(problem.model, problem.forget, loss, self.batch_size, run)
        chosen = top_share({name: g.abs() for name, g in gradients.items()}, self.keep)
        return Mask(dict(chosen))
