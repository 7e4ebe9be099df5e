"""UOE: unlearn in the one expert that sees the forget set most, and anchor the router so that it stays that one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import hooks, losses
from lethe.descent import Objective
from lethe.errors import ConfigurationError
from lethe.feeds import Draw
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, RetainTerm, forgotten, retain_term
from lethe.methods.descent.npo import NPO
from lethe.methods.descent.rmu import RMU
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Scope
from lethe.scopes.experts import OneExpert, mixtures, routed
from lethe.segments import mean_by_row
from lethe.tasks import CausalLM, as_causal_lm
from lethe.text.memorization import memorization_accuracies


@dataclass(frozen=True, kw_only=True)
class UOE(LanguageDescent):
    """Unlearning one expert (UOE, SEUF): min L_forget + λ L_retain + α ‖g(x_f) - e_i‖² in one expert and its router.

    The expert i is the one with the highest affinity to the forget set; g are the probabilities of its block's router
    before the choice of the top K, and the anchor is averaged over the tokens of each text and over texts. Only the
    expert and the router's weight move. Works on models whose blocks have a router named `gate` beside `experts`, such
    as OLMoE, Mixtral, Qwen-MoE or DeepSeek; load-balancing losses are off.

    Args:
        forget: `ascent`, `npo` or `rmu`, the last on the output of the expert's block.
        retain: `nll`, `kl`, or `none` (GA); beside `rmu` both of the first stand for RMU's own distance.
        anchor_weight: α.
        anchor: `sum` is the paper's squared norm; `mean` divides it by the number of experts, as the release does.
        beta: β of NPO.
        length: length c of RMU's control vector.
        stop_accuracy: end between two epochs once the share of answer tokens of the forget set that the model gets
            right is this or less; ascent without a retain term destroys the expert if nothing stops it.
        rank: place of the expert in the order of affinities: 0 is the highest, -1 the lowest.
        block: number of the expert's block where the expert is given; -1 finds it.
        expert: number of the expert in that block.

    Source: Zhuang et al. 2024, arXiv:2411.18797; its settings for GradDiff.
    """

    aims: ClassVar[str] = "removal"

    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 2e-4
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_epochs: float = 0.0
    forget: Literal["ascent", "npo", "rmu"] = "ascent"
    anchor_weight: float = 1.0
    anchor: Literal["sum", "mean"] = "sum"
    beta: float = 0.1
    length: float = 6.5
    stop_accuracy: float = 0.0
    rank: int = 0
    block: int = -1
    expert: int = -1

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        super().check()
        if self.anchor_weight < 0 or not 0 <= self.stop_accuracy <= 1:
            raise ConfigurationError("anchor_weight must not be negative, and stop_accuracy lies between 0 and 1")

    def reach(self) -> Scope:
        """The expert and its router, within the user's scope."""
        return self.scope & self._one()

    def _one(self) -> OneExpert:
        return OneExpert(self.block, self.expert, self.rank)

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the forget term, the anchor of the router on the same forward pass, and the retain term."""
        task = as_causal_lm(problem.task, type(self).__name__)
        chosen = self._one().choose(problem, run)
        forget, retain = self._terms(problem, task, run, chosen.block)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            batch, mixture = forgotten(draw), mixtures(model, task)[chosen.block]
            where = hooks.places(batch)
            with hooks.reading({0: mixture.router}, "input") as seen:
                named = {"forget": self.forget_weight * forget(model, draw)}
            values = losses.router_anchor(routed(mixture, seen[0], where), chosen.number, self.anchor)
            per_text = mean_by_row(values, where.nonzero()[:, 0], len(batch))
            named["anchor"] = self.anchor_weight * per_text
            if retain is not None and draw.retain is not None:
                named["retain"] = self.retain_weight * retain(model, draw.retain)
            return named

        return terms

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the forget term of the chosen loss."""
        return self._terms(problem, task, run, self._one().choose(problem, run).block)[0]

    def _terms(self, problem: Problem, task: CausalLM, run: Run, block: int) -> tuple[ForgetTerm, RetainTerm | None]:
        if self.forget == "rmu":
            inner = RMU(layer=block, length=self.length)
            held = None if self.retain == "none" else inner.retain_distance(problem.model, task)
            return inner.forget_term(problem, task, run), held
        retain = None if self.retain == "none" else retain_term(problem, task, self.retain)
        if self.forget == "npo":
            return NPO(beta=self.beta).forget_term(problem, task, run), retain
        return GradDiff().forget_term(problem, task, run), retain

    def enough(self, problem: Problem, run: Run) -> Callable[[nn.Module], bool] | None:
        """End the run when few enough answer tokens of the forget set are predicted rightly."""
        if not self.stop_accuracy:
            return None
        task = as_causal_lm(problem.task, type(self).__name__)
        return lambda model: token_accuracy(model, task, problem, run) <= self.stop_accuracy


def token_accuracy(model: nn.Module, task: CausalLM, problem: Problem, run: Run) -> float:
    """Return the share of the forget answers' tokens that are the likeliest in their place, in [0, 1]."""
    shares = memorization_accuracies(model, task, problem.forget, run)
    lengths = task.answer_lengths(problem.forget.batch(torch.arange(len(problem.forget))))
    return float((shares * lengths).sum() / lengths.sum())
