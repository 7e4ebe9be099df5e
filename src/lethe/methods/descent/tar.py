"""TAR: make forgetting hold along the paths of attacks that train it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe import losses
from lethe.descent import Objective
from lethe.errors import ConfigurationError
from lethe.examples import Batch
from lethe.feeds import Draw
from lethe.hooks import all_hidden_states, at, places
from lethe.measuring import evaluation
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, pooled
from lethe.methods.descent.random_mapping import RandomMapping
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA
from lethe.segments import mean_by_row
from lethe.steps import Step, TamperResistance
from lethe.tasks import CausalLM, as_causal_lm


@dataclass(frozen=True, kw_only=True)
class TAR(LanguageDescent):
    """Tamper-attack resistance (TAR): make predictions of forget answers uniform wherever an attack may lead.

    Begins with `RandomMapping`; then each step of `tamper_resistance` descends -H(p_θ) on forget answers along an
    attack, L(θ; D_r), and the mean over blocks and tokens of ‖h_0 - h_θ‖₂ on retain examples, h_0 the original's
    hidden states. The release counts 750 of these outer steps and 1000 of the safeguard; here both are epochs.

    Args:
        hidden_weight: weight of the distance of hidden states.
        safeguard_epochs: epochs of the random mapping at the start; 0 begins at the original.

    Source: Tamirisa et al. 2024, arXiv:2408.00761.
    """

    aims: ClassVar[str] = "removal"

    batch_size: int = 8
    learning_rate: float = 2e-5
    step: Step = field(default_factory=TamperResistance)
    hidden_weight: float = 1.0
    safeguard_epochs: int = 10

    def check(self) -> None:
        """Raise ConfigurationError where the safeguard cannot be given to a model with adapters."""
        super().check()
        if self.safeguard_epochs and isinstance(self.scope, LoRA):
            raise ConfigurationError("TAR's safeguard trains weights, not adapters: with LoRA set safeguard_epochs=0")

    def start(self, problem: Problem, run: Run) -> nn.Module:
        """Return the original after the safeguard."""
        if not self.safeguard_epochs:
            return super().start(problem, run)
        safeguard = RandomMapping(
            epochs=self.safeguard_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            micro_batch=self.micro_batch,
            checkpointing=self.checkpointing,
            scope=self.scope,
        )
        return safeguard.unlearn(problem, run.part("safeguard"))

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the forget term, the retain term and the distance of hidden states."""
        task = as_causal_lm(problem.task, type(self).__name__)
        usual = super().objective(problem, run)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            named = dict(usual(model, draw))
            if draw.retain is not None and self.hidden_weight:
                distance = hidden_distance(problem.model, model, task, draw.retain)
                named["retain_hidden"] = self.hidden_weight * distance
            return named

        return terms

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return minus the entropy of the predictions, pooled over the answers' tokens of the batch."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            return pooled(losses.negative_entropy(task.outputs(model, batch)), task, batch)

        return term


def hidden_distance(original: nn.Module, model: nn.Module, task: CausalLM, batch: Batch) -> Tensor:
    """Return the mean over blocks and tokens of ‖h_0 - h_θ‖₂ of each example, [B]."""
    where = places(batch)

    def hidden(of: nn.Module) -> list[tuple[Tensor, Tensor]]:
        return [at(states, where) for states in all_hidden_states(of, task, batch)]

    with evaluation(original):
        before = hidden(original)
    return torch.stack(
        [
            mean_by_row(losses.hidden_distance(now, then), rows, len(batch))
            for (now, rows), (then, _) in zip(hidden(model), before, strict=True)
        ]
    ).mean(0)
