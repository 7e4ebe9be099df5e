"""DPO and KTO: preference optimisation with refusals as the better answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import losses
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, forgotten, sequence_log_probs
from lethe.methods.descent.refusing import REFUSAL, Refusing, original_log_probs
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class DPO(Refusing):
    """Direct preference optimisation (DPO) of a refusal over each forget answer, + λ L(θ; D_r).

    min -(c/β) E_f log σ(β [Δ(y_idk) - Δ(y)]) with Δ(y) = log π_θ(y|x) - log π_0(y|x), sums over answer tokens.
    DPO alone is `retain=none`, DPO+RT `nll`, DPO+KL `kl`.

    Args:
        beta: β, how soon the gradient fades.
        scale: c: 1 in the formula of the paper, 2 in its code, which puts DPO on the scale of NPO.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 7; Zhang et al. 2024, arXiv:2404.05868.
    """

    beta: float = 0.1
    scale: float = 1.0

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the DPO loss of each pair of refusal and forget answer."""
        reference = sequence_log_probs(problem.model, task, problem.forget, run)

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch, refusal = forgotten(draw), draw.substitutes[REFUSAL]
            return losses.dpo(
                chosen=task.log_probs(model, refusal),
                chosen_reference=original_log_probs(problem, task, refusal),
                rejected=task.log_probs(model, batch),
                rejected_reference=reference[batch.rows.to(reference.device)],
                beta=self.beta,
                scale=self.scale,
            )

        return term


@dataclass(frozen=True, kw_only=True)
class KTO(Refusing):
    """Kahneman-Tversky optimisation (KTO): push forget answers below a baseline that refusals set, + λ L(θ; D_r).

    min 1 - (2/β) E_f g(z_0 - β Δ(y)) with Δ(y) = log π_θ(y|x) - log π_0(y|x) and z_0 the mean of Δ(y_idk) over the
    batch, without gradient. KTO alone is `retain=none`, KTO+RT `nll`.

    Args:
        beta: β, how soon the gradient fades.
        value: g, the sigmoid or its logarithm.

    Source: Ethayarajh et al. 2024, arXiv:2402.01306; the form of Zhang et al. 2024, arXiv:2404.05868.
    """

    divisible: ClassVar[bool] = False

    beta: float = 0.1
    value: Literal["sigmoid", "log_sigmoid"] = "sigmoid"

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the KTO loss of each forget answer."""
        reference = sequence_log_probs(problem.model, task, problem.forget, run)

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch, refusal = forgotten(draw), draw.substitutes[REFUSAL]
            with torch.no_grad():
                gain = task.log_probs(model, refusal) - original_log_probs(problem, task, refusal)
            return losses.kto(
                task.log_probs(model, batch),
                reference[batch.rows.to(reference.device)],
                baseline=gain.mean(),
                beta=self.beta,
                value=self.value,
            )

        return term
