"""GradDiff: gradient ascent on the forget answers of a language model, held back by a retain term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from lethe import losses
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, original_outputs, pooled
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class GradDiff(LanguageDescent):
    """Gradient difference (GradDiff): min -L(θ; D_f) + λ L(θ; D_r), L the mean of -log p over all answer tokens.

    The family of NPO's comparison is its options: GradDiff is GA+RT, `retain=kl` is GA+KL (KL minimisation), and
    `retain=none` is GA alone, with or without the anchor below. The forget loss has no lower bound.

    Args:
        forget_kl: weight of KL(p_0 ‖ p_θ) on the forget answers (GA+forgetKL, of the release alone, takes 1).

    Source: Liu et al. 2022, arXiv:2203.12817; Maini et al. 2024, TOFU, arXiv:2401.06121; Zhang et al. 2024,
    arXiv:2404.05868.
    """

    aims: ClassVar[str] = "removal"

    forget_kl: float = 0.0

    def reads_original(self) -> bool:
        """Only where a divergence to the original is a term."""
        return self.retain == "kl" or self.forget_kl > 0

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the negative loss of each forget answer, and the anchor where there is one."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            outputs = task.outputs(model, batch)
            ascent = -task.training_losses_from(outputs, batch)
            if self.forget_kl == 0:
                return ascent
            divergence = losses.kl_divergence(original_outputs(problem, task, batch), outputs)
            return ascent + self.forget_kl * pooled(divergence, task, batch)

        return term
