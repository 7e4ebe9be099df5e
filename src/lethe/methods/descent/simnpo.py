"""SimNPO: NPO without a reference, on the likelihood of a forget answer per token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from lethe import losses
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class SimNPO(LanguageDescent):
    """SimNPO: min -(2/β) E_f log σ(-(β/|y|) log π_θ(y|x) - γ) + λ L(θ; D_r), |y| the number of answer tokens.

    The gradient of an answer depends on how likely it is now, not on a ratio to the original, so short answers and
    those that were never memorised are not overdone. Sensitive to β and to the weight of the forget term.

    Args:
        forget_weight: weight of the forget term; small, the retain term dominates (TOFU forget05: 0.1375).
        beta: β, on the scale of a mean over tokens and so far above NPO's (TOFU forget05: 2.5).
        margin: γ, at least 0.
        margin_form: `paper` takes γ as above, `release` multiplies it by β; they agree at 0.

    Source: Fan et al. 2024, arXiv:2410.07163; the settings of its code on TOFU forget10.
    """

    aims: ClassVar[str] = "removal"

    forget_weight: float = 0.125
    beta: float = 4.5
    margin: float = 0.0
    margin_form: Literal["paper", "release"] = "paper"

    def reads_original(self) -> bool:
        """Only where a divergence to the original is a term."""
        return self.retain == "kl"

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the SimNPO loss of each forget answer."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            return losses.simnpo(
                task.log_probs(model, batch), task.answer_lengths(batch), self.beta, self.margin, self.margin_form
            )

        return term
