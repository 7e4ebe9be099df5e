"""NPO: push each forget answer below its likelihood under the original, with a gradient that fades on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from lethe import losses
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, sequence_log_probs
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class NPO(LanguageDescent):
    """Negative preference optimisation (NPO): min (2/β) E_f log(1 + (π_θ(y|x) / π_0(y|x))^β) + λ L(θ; D_r).

    π(y|x) is the product over the tokens of an answer; the original's are computed once and kept as numbers. The
    variants of the paper are options: NPO is `retain=none`, NPO+RT `nll` (which later papers call NPO), NPO+KL `kl`.

    Args:
        beta: β, how soon the gradient fades; towards 0 it becomes gradient ascent.

    Source: Zhang et al. 2024, arXiv:2404.05868, eq. 3.
    """

    aims: ClassVar[str] = "removal"

    beta: float = 0.1

    def reads_original(self) -> bool:
        """Only where a divergence to the original is a term."""
        return self.retain == "kl"

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the NPO loss of each forget answer."""
        reference = sequence_log_probs(problem.model, task, problem.forget, run)

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            return losses.npo(task.log_probs(model, batch), reference[batch.rows.to(reference.device)], self.beta)

        return term
