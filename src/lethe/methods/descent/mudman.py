"""MUDMAN: unlearn what an adversary keeps relearning, without disrupting what is to be kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor, nn

from lethe import losses
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, pooled
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Layers, Scope
from lethe.steps import Disruption, Step
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class MUDMAN(LanguageDescent):
    """Meta-unlearning with disruption masking and normalisation (MUDMAN): the step `disruption` on some matrices.

    An adversary that keeps relearning the forget answers shows where they can still be found; the gradient of the
    forget loss is taken there, brought to a fixed length, and applied where its sign is that of the retain gradient.
    Only the matrices in `scope` move, by default the gates of the MLPs. Losses are over the answers' tokens; the
    release takes the entropy over all tokens.

    Args:
        loss: the forget loss L_u: `entropy` is Σ p log p, which falls to that of the uniform prediction; `ascent` is
            minus the training loss; `logit` is how far the true token's logit stands above the mean.
        floor: what `logit` is clipped below at.

    Source: Sondej et al. 2025, arXiv:2506.12484.
    """

    aims: ClassVar[str] = "removal"

    batch_size: int = 16
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_epochs: float = 0.0
    scope: Scope = field(default_factory=lambda: Layers(("*gate_proj*",)))
    step: Step = field(default_factory=Disruption)
    loss: Literal["entropy", "ascent", "logit"] = "entropy"
    floor: float = 0.0

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the forget loss of each answer, pooled over the tokens of the batch."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            outputs = task.outputs(model, batch)
            if self.loss == "ascent":
                return -task.training_losses_from(outputs, batch)
            if self.loss == "entropy":
                return pooled(losses.negative_entropy(outputs), task, batch)
            return pooled(losses.correct_logit(outputs, task.targets(batch), self.floor), task, batch)

        return term
