"""FLAT: from the forget answer to a template answer along an f-divergence, with neither retain set nor reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from lethe import losses
from lethe.errors import ConfigurationError
from lethe.examples import Batch
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, forgotten
from lethe.methods.descent.refusing import REFUSAL, Refusing
from lethe.problem import Problem
from lethe.run import Run
from lethe.segments import mean_by_row, sum_by_row
from lethe.tasks import CausalLM

Divergence = Literal[
    "total_variation", "jensen_shannon", "pearson", "kl", "reverse_kl", "squared_hellinger", "neyman", "jeffrey"
]


@dataclass(frozen=True, kw_only=True)
class FLAT(Refusing):
    """FLAT: min -g(v_e) + f*(g(v_f)), v_e and v_f the mean token probabilities of a template and the forget answer.

    The template is a refusal, drawn anew for each example and epoch: one for all would be all the model says after.
    Probabilities, not their logarithms, so that the gradient fades on tokens that are forgotten.

    Args:
        epochs: passes over the forget set.
        retain: the method sees the forget set alone; another choice adds a retain term to it.
        divergence: the f-divergence.
        order: `batch` takes the means of v over the batch before the curves, as the release does; `sample` gives each
            example its own value of the loss, another number for every curve that is no line.
        official_mean: divide the sum over an answer's tokens by the release's padded length less one, not by the
            number of answer tokens.
        padded_length: length L that the release pads all sequences to, for `official_mean`.

    Source: Wang et al. 2025, arXiv:2410.11143; the settings of its code on TOFU.
    """

    # The curves bend, so the loss of a batch is no mean over the losses of its parts.
    divisible: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    weighable: ClassVar[bool] = False

    epochs: int = 5
    batch_size: int = 16
    retain: Literal["nll", "kl", "none"] = "none"
    divergence: Divergence = "total_variation"
    order: Literal["batch", "sample"] = "batch"
    official_mean: bool = False
    padded_length: int = 500

    def check(self) -> None:
        """Raise ConfigurationError where sequences are padded to nothing."""
        super().check()
        if self.padded_length < 2:
            raise ConfigurationError(f"padded_length must be at least 2, not {self.padded_length}")

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the loss of the batch, or of each pair of template and forget answer."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            template = self.probability(model, task, draw.substitutes[REFUSAL])
            forget = self.probability(model, task, forgotten(draw))
            if self.order == "batch":
                template, forget = template.mean(), forget.mean()
            return losses.flat(template, forget, self.divergence)

        return term

    def probability(self, model: nn.Module, task: CausalLM, batch: Batch) -> Tensor:
        """Return the mean token probability of each answer, [B] in [0, 1]."""
        tokens = losses.token_log_probs(task.outputs(model, batch), task.targets(batch)).exp()
        if self.official_mean:
            return sum_by_row(tokens, task.rows(batch), len(batch)) / (self.padded_length - 1)
        return mean_by_row(tokens, task.rows(batch), len(batch))
