"""UNDIAL and CE-U: distil a model from itself, with the true token taken out of the teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from lethe import losses
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, original_outputs, pooled
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH

LATER = "later tokens"


@dataclass(frozen=True, kw_only=True)
class UNDIAL(LanguageDescent):
    """UNDIAL: distil the original with the true tokens' logits lowered, min E_t CE(softmax(z_0 - γ e_{y_t}), p_θ).

    The target is bounded and stays where it is, so training longer does no harm. The paper trains LoRA of rank 8.

    Args:
        retain: the paper leaves retain examples out; searches beside a retain loss weigh it 1 to 5.
        strength: γ, by how much the true token's logit is lowered; published runs use 3, 10 and 30.

    Source: Dong et al. 2025, arXiv:2402.10052.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    aims: ClassVar[str] = "suppression"

    learning_rate: float = 1e-4
    retain: Literal["nll", "kl", "none"] = "none"
    strength: float = 10.0

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the cross-entropy to the lowered original over each forget answer."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            teacher = original_outputs(problem, task, batch)
            values = losses.undial(task.outputs(model, batch), teacher, task.targets(batch), self.strength)
            return pooled(values, task, batch)

        return term


@dataclass(frozen=True, kw_only=True)
class CEU(LanguageDescent):
    """Cross-entropy unlearning (CE-U): teach the model its own prediction without the true token.

    min E_t CE(softmax(z_θ with -∞ at y_t), p_θ), no gradient through the first; bounded, unlike ascent.

    Args:
        retain: the paper leaves retain examples out.
        skipped: tokens at the beginning of each answer that are left as they are, since the first would be said
            whatever the answer.

    Source: Yang 2025, arXiv:2503.01224, and the footnote of its training settings.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    aims: ClassVar[str] = "suppression"

    retain: Literal["nll", "kl", "none"] = "none"
    skipped: int = 1

    def check(self) -> None:
        """Raise ConfigurationError where a negative number of tokens is to be skipped."""
        super().check()
        if self.skipped < 0:
            raise ConfigurationError(f"skipped must be at least 0, not {self.skipped}")

    def substitutes(self, problem: Problem, run: Run, epoch: int) -> Mapping[str, Examples]:
        """Return the forget set with the first tokens of each answer counted among its prompt."""
        forget = problem.forget
        first = forget.tensor(ANSWER_FROM).clamp_min(1) + self.skipped
        short = (first >= forget.tensor(LENGTH)).nonzero().flatten()
        if len(short):
            raise InputError(
                f"the answer of '{forget.ids[int(short[0])]}' has no token after its first {self.skipped}; "
                "choose a smaller `skipped`"
            )
        return {LATER: forget.with_column(ANSWER_FROM, first)}

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the cross-entropy to the model's own prediction without the true token, over each forget answer."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = draw.substitutes[LATER]
            return pooled(losses.ceu(task.outputs(model, batch), task.targets(batch)), task, batch)

        return term
