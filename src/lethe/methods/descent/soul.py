"""SOUL: any unlearning loss, descended by the second-order clipped steps of Sophia."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from lethe.examples import Examples
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.language import ForgetTerm
from lethe.methods.descent.npo import NPO
from lethe.methods.descent.refusing import IDK, Refusing
from lethe.problem import Problem
from lethe.run import Run
from lethe.steps import Clip, Sophia, Step
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class SOUL(Refusing):
    """Second-order unlearning (SOUL): a forget loss + λ L(θ; D_r), with the step Sophia on gradients of norm 1 at most.

    Influence unlearning is one Newton step; this is the same idea repeated, preconditioned and clipped. The defaults
    are SO-GradDiff's on TOFU. SO-PO takes 1e-5 and λ = 5; λ is to be tuned anew for each step and loss. Any other
    method becomes second-order with `step=Sophia(inner=Clip())`, and SOUL first-order with `step=Clip()`.

    Args:
        loss: `grad_diff` descends minus the loss of the forget answers, `po` the loss of refusals in their place,
            `npo` negative preference optimisation with sums over each answer (the release takes pooled token means).
        beta: β of `npo`.

    Source: Jia et al. 2024, SOUL, arXiv:2404.18239.
    """

    aims: ClassVar[str] = "removal"

    epochs: int = 5
    batch_size: int = 4
    learning_rate: float = 5e-6
    weight_decay: float = 0.1
    warmup_epochs: float = 0.5
    retain_weight: float = 2.0
    step: Step = field(default_factory=lambda: Sophia(inner=Clip(1.0)))
    loss: Literal["grad_diff", "po", "npo"] = "grad_diff"
    beta: float = 0.1

    def substitutes(self, problem: Problem, run: Run, epoch: int) -> Mapping[str, Examples]:
        """Return a refusal for each forget example, where the loss is of refusals."""
        return super().substitutes(problem, run, epoch) if self.loss == "po" else {}

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return that of the method whose loss was chosen."""
        chosen = {"grad_diff": GradDiff(), "po": IDK(), "npo": NPO(beta=self.beta)}[self.loss]
        return chosen.forget_term(problem, task, run)
