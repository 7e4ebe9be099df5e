"""LoKU: lower each true token and lift its runner-up, in low-rank adapters that begin where the forget set matters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from lethe import losses
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, pooled
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA, Scope
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class LoKU(LanguageDescent):
    """Low-rank knowledge unlearning (LoKU): min mean_t [1 + p_θ(y_t) - max_{v≠y_t} p_θ(v)]_+ + λ L(θ; D_r).

    The mean is over all answer tokens of a batch, on probabilities (inverted hinge loss, IHL). What moves is LoRA with
    the initialisation FILA: the low-rank part of each weight, its rows weighed by how much more they matter for the
    forget set than for the retain set. The defaults are those of TOFU with Llama 2; `scope=All()` moves all weights.

    Source: Cha et al. 2025, arXiv:2408.06621.
    """

    aims: ClassVar[str] = "removal"

    epochs: int = 5
    learning_rate: float = 1e-4
    scope: Scope = field(default_factory=lambda: LoRA(rank=8, alpha=16.0, init="fila"))

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the inverted hinge loss of each forget answer, weighed so that their mean is one over tokens."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            tokens = losses.inverted_hinge(task.outputs(model, batch), task.targets(batch))
            return pooled(tokens, task, batch)

        return term
