"""Interleaved ascent: one forget sequence, one retain sequence, in order, with opposite signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lethe import losses
from lethe.descent import Objective
from lethe.errors import ConfigurationError, InputError, nearest
from lethe.examples import Batch, Examples
from lethe.feeds import Draw, Rows
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, RetainTerm, forgotten, original_outputs
from lethe.problem import Problem
from lethe.run import Run
from lethe.segments import mean_by_row
from lethe.tasks import CausalLM, as_causal_lm

GROUP = "group"


@dataclass(frozen=True, kw_only=True)
class InterleavedAscent(LanguageDescent):
    """Ascent on pre-training text beside descent on text to keep, which alternate in the order of the data.

    A step is the mean over its sequences of factor × mean loss per token: -1 on the i-th forget sequence, +1 on the
    i-th retain sequence, which follows it. Long and short sequences weigh alike. The published variants are options:
    GA `retain=none` (one mean over all tokens), GA+GD `nll`, GA+KL `kl`, each of the last two on text of the forget
    set's own source or on general text, whichever the retain set holds or `retain_group` chooses from it.

    Args:
        batch_size: sequences a step, forget and retain together: one or a few large steps are an epoch; with 1 the
            model alternates between steps of ascent and of descent.
        retain: `nll` is the mean loss of each retain sequence, `kl` -Σ_v p_0(v) log p_θ(v) averaged over its tokens
            (KL(p_0 ‖ p_θ) up to a constant), `none` leaves retain examples out.
        retain_group: take only the retain examples whose column `group` says this; empty takes all.

    Source: Yao et al. 2024, arXiv:2402.15159, section 4 and the settings of its code.
    """

    aims: ClassVar[str] = "removal"

    epochs: int = 1
    batch_size: int = 480
    learning_rate: float = 2e-5
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup_epochs: float = 0.03
    retain_group: str = ""

    def check(self) -> None:
        """Raise ConfigurationError where a step would cut a pair, or a group is chosen from no retain set."""
        super().check()
        if self.retain != "none" and self.batch_size > 1 and self.batch_size % 2:
            raise ConfigurationError(f"forget and retain sequences come in pairs: batch_size {self.batch_size} is odd")
        if self.retain == "none" and self.retain_group:
            raise ConfigurationError(f"retain_group={self.retain_group} has no retain set to choose from; set retain")

    def together(self) -> frozenset[str]:
        """Both terms stand in every step, unless there is no retain term or a step sees one sequence."""
        return frozenset() if self.batch_size == 1 and self.retain != "none" else super().together()

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop beside the chosen group of the retain set."""
        if self.retain_group:
            problem = replace(problem, retain=in_group(problem.kept, self.retain_group))
        return super().unlearn(problem, run)

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over the forget set in its order, the i-th example beside the i-th of the retain set."""
        order = torch.arange(len(problem.forget))
        if self.retain == "none":
            return [(rows, None) for rows in order.split(self.batch_size)]
        pairs = [(rows, rows % len(problem.kept)) for rows in order.split(max(self.batch_size // 2, 1))]
        if self.batch_size > 1:
            return list(pairs)
        return [one for forget, retain in pairs for one in ((forget, None), (None, retain))]

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the negative loss of each forget sequence."""
        read = task.training_losses if self.retain == "none" else task.losses

        def term(model: nn.Module, draw: Draw) -> Tensor:
            return -read(model, forgotten(draw))

        return term

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the terms of the sequences that a step has, each by its share of them."""
        task = as_causal_lm(problem.task, type(self).__name__)
        forget, retain = self.forget_term(problem, task, run), self._retain_term(problem, task)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            named: dict[str, Tensor] = {}
            share = 1.0 if draw.forget is None or draw.retain is None else 0.5
            if draw.forget is not None:
                named["forget"] = share * self.forget_weight * forget(model, draw)
            if draw.retain is not None:
                named["retain"] = share * self.retain_weight * retain(model, draw.retain)
            return named

        return terms

    def _retain_term(self, problem: Problem, task: CausalLM) -> RetainTerm:
        if self.retain != "kl":
            return task.losses

        def cross_entropy(model: nn.Module, batch: Batch) -> Tensor:
            values = losses.soft_cross_entropy(original_outputs(problem, task, batch), task.outputs(model, batch))
            return mean_by_row(values, task.rows(batch), len(batch))

        return cross_entropy


def in_group(examples: Examples, group: str) -> Examples:
    """Return the examples whose column `group` says this.

    Raises:
        InputError: there is no such column, or no such group in it.
    """
    if GROUP not in examples.columns:
        raise InputError(f"the retain set has no column '{GROUP}' to choose '{group}' from; add it or leave it out")
    groups = np.asarray(examples[GROUP]).astype(str)
    rows = np.flatnonzero(groups == group)
    if not len(rows):
        raise InputError(f"no retain example is of the group '{group}'{nearest(group, sorted(set(groups)))}")
    return examples.take(torch.from_numpy(rows))
