"""Methods that teach a refusal in the place of each forget answer, and the simplest of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from lethe.examples import Batch, Examples
from lethe.feeds import Draw
from lethe.measuring import evaluation
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, drawn_lines
from lethe.methods.descent.refusals import REFUSALS
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, as_causal_lm

REFUSAL = "refusal"


@dataclass(frozen=True, kw_only=True)
class Refusing(LanguageDescent):
    """A descent that sees beside each forget answer a refusal of the same question, drawn anew in every epoch."""

    aims: ClassVar[str] = "suppression"

    def substitutes(self, problem: Problem, run: Run, epoch: int) -> Mapping[str, Examples]:
        """Return the forget set with a refusal drawn at random for each example."""
        task = as_causal_lm(problem.task, type(self).__name__)
        lines = drawn_lines(REFUSALS, len(problem.forget), run.generator("refusals", epoch))
        return {REFUSAL: task.answering(problem.forget, lines)}


@dataclass(frozen=True, kw_only=True)
class IDK(Refusing):
    """I don't know (IDK): ordinary training on refusals of the forget questions, min L(θ; x_f, y_idk) + λ L(θ; D_r).

    IDK+RT is the default (TOFU calls it preference optimisation). The loss is the mean over the tokens of the refusals
    plus that over the tokens of the retain answers; the release takes one mean over both batches together.

    Source: Maini et al. 2024, TOFU, arXiv:2401.06121; Zhang et al. 2024, arXiv:2404.05868.
    """

    def reads_original(self) -> bool:
        """Only where a divergence to the original is a term."""
        return self.retain == "kl"

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the loss of each refusal."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            return task.training_losses(model, draw.substitutes[REFUSAL])

        return term


def original_log_probs(problem: Problem, task: CausalLM, batch: Batch) -> Tensor:
    """Return log π_0(answer | prompt) under the original, [B], for answers that are drawn anew in every epoch."""
    with evaluation(problem.model):
        return task.log_probs(problem.model, batch)
