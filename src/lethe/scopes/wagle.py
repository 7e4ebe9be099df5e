"""WAGLE: only the weights whose removal would hurt the forget set, corrected for the retain set, may move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.scopes.base import Mask, Scope
from lethe.scopes.importance import summed_gradient, top_share
from lethe.tasks.causal_lm import as_causal_lm

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class WAGLE(Scope):
    """The share ρ of weights with the largest |(θ_i - g_r,i/γ)·g_f,i| may move, over all parameters together.

    g_f and g_r are the gradients of the training loss on forget and retain set at the original, in eval mode: the
    first-order effect on the forget loss of zeroing a weight, corrected by an implicit gradient for what retaining
    would do about it, with γ for the Hessian. γ → ∞ ranks by |θ·g_f| (SNIP), γ → 0 by |g_r·g_f|.

    A step that clips sees gradients that are masked already; the release masks after it clips.

    Args:
        keep: share ρ of the weights that may move; exactly int(ρ·|θ|) of them do. Published: 0.95 on TOFU (0.8 for
            refusals), 0.4 to 0.6 on WMDP.
        hessian: γ.
        batch_size: examples a batch of the gradient passes.
        normalise: `sum` adds the gradients of the batches, as the release does and γ = 1e-6 assumes; `mean` divides by
            their number, and then γ has to be chosen anew.
        paired: use as many retain examples as there are forget examples, drawn at random; else all of them.
        answers: column of the forget set with other answers to take g_f on (refusals), for methods that teach those.

    Source: Jia et al. 2024, arXiv:2410.17509, eq. 7-10.
    """

    keep: float = 0.95
    hessian: float = 1e-6
    batch_size: int = 1
    normalise: Literal["sum", "mean"] = "sum"
    paired: bool = True
    answers: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.keep <= 1 or not self.hessian > 0:
            raise ConfigurationError(
                f"keep must lie between 0 and 1 and hessian above 0, not keep={self.keep}, hessian={self.hessian}"
            )

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask from one gradient pass over the forget set and one over retain examples."""
        chosen = top_share({name: score.abs() for name, score in self.scores(problem, run).items()}, self.keep)
        return Mask(dict(chosen))

    def scores(self, problem: Problem, run: Run) -> dict[str, Tensor]:
        """Return the signed score of every weight by parameter name, float32."""
        retain, count = problem.kept, len(problem.forget)
        if self.paired:
            retain = retain.sample(count, run.generator("wagle"))
        forget_gradient = self._gradient(problem, self._asked(problem), run)
        retain_gradient = self._gradient(problem, retain, run)
        return {
            name: (p.detach().float() - retain_gradient[name] / self.hessian) * forget_gradient[name]
            for name, p in problem.model.named_parameters()
        }

    def _gradient(self, problem: Problem, examples: Examples, run: Run) -> dict[str, Tensor]:
        def loss(model: nn.Module, batch: Batch) -> Tensor:
            return problem.task.training_losses(model, batch).mean()

        total = summed_gradient(problem.model, examples, loss, self.batch_size, run)
        if self.normalise == "sum":
            return total
        batches = -(-len(examples) // self.batch_size)
        return {name: gradient / batches for name, gradient in total.items()}

    def _asked(self, problem: Problem) -> Examples:
        if not self.answers:
            return problem.forget
        if self.answers not in problem.forget.columns:
            raise ConfigurationError(f"the forget set has no column '{self.answers}' with answers to take gradients on")
        task = as_causal_lm(problem.task, "WAGLE with answers of its own")
        return task.answering(problem.forget, [str(answer) for answer in np.asarray(problem.forget[self.answers])])
