"""ZJUKLAB: train one adapter that forgets too much and one that forgets too little, and merge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import adapters, losses
from lethe.descent import Objective
from lethe.errors import ConfigurationError
from lethe.feeds import Draw
from lethe.methods.base import Method
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, retain_term, sequence_log_probs
from lethe.methods.edits.ties import ties
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Scope
from lethe.scopes.lora import LoRA
from lethe.segments import sum_by_row
from lethe.state_arithmetic import with_weights
from lethe.tasks import CausalLM, Task, as_causal_lm

Factors = Mapping[str, tuple[Tensor, Tensor, float]]
"""A, B and the scale of an adapter by the name of its layer."""


@dataclass(frozen=True, kw_only=True)
class BalancedNPO(LanguageDescent):
    """a L_NPO(D_f) + b KL(p_0 ‖ p_θ)(D_r) + c CE(D_r), with L_NPO = -(2/β) log σ(β (ℓ(x_f; θ) - ℓ(x_f; θ_0))).

    ℓ is the mean over all answer tokens of the examples that the release has in one forward pass (`together_forward`).
    The KL term counts answer tokens; the release also counts prompts and padding.

    Args:
        npo_weight: a.
        kl_weight: b; the release's argument of that name weighs the other retain term.
        nll_weight: c.
        beta: β.
        together_forward: examples over whose tokens ℓ is one mean.

    Source: Xu et al. 2025, arXiv:2503.21088.
    """

    divisible: ClassVar[bool] = False
    weighable: ClassVar[bool] = False
    aims: ClassVar[str] = "removal"

    npo_weight: float = 0.4
    kl_weight: float = 0.4
    nll_weight: float = 0.2
    beta: float = 0.1
    together_forward: int = 1

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        super().check()
        if not self.beta > 0 or self.together_forward < 1:
            raise ConfigurationError("beta must be positive, and together_forward at least 1")

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the forget term, a scalar, and both retain terms in one."""
        task = as_causal_lm(problem.task, type(self).__name__)
        forget = self.forget_term(problem, task, run)
        divergence, loss = retain_term(problem, task, "kl"), retain_term(problem, task, "nll")

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.retain is not None
            retain = self.kl_weight * divergence(model, draw.retain) + self.nll_weight * loss(model, draw.retain)
            return {"forget": self.npo_weight * forget(model, draw), "retain": retain}

        return terms

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return NPO of the mean token losses of each group of examples, averaged over the groups."""
        reference = sequence_log_probs(problem.model, task, problem.forget, run)

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            groups = torch.arange(len(batch), device=reference.device) // self.together_forward
            count = int(groups[-1]) + 1
            tokens = sum_by_row(task.answer_lengths(batch).to(reference.device).float(), groups, count)
            now = sum_by_row(task.log_probs(model, batch), groups, count) / tokens
            before = sum_by_row(reference[batch.rows.to(reference.device)], groups, count) / tokens
            return losses.npo(now, before, self.beta).mean()

        return term


@dataclass(frozen=True, kw_only=True)
class Zjuklab(Method):
    """ZJUKLAB's system: two adapters trained with NPO and two retain terms, merged by TIES, and added to the weights.

    One adapter forgets too much (a = 0.4, b = 0.4, c = 0.2, one example a forward pass), the other too little
    (0.3, 0.3, 0.4, two). Each update sums over `accumulation` forward passes. See `BalancedNPO` for the loss.

    Args:
        epochs: passes over the forget set, for each adapter.
        learning_rate: step size.
        weight_decay: weight decay.
        warmup_epochs: epochs over which the learning rate rises.
        over: (a, b, c) of the adapter that forgets too much.
        under: (a, b, c) of the one that forgets too little.
        accumulation: forward passes an update.
        beta: β of NPO.
        rank: rank of the adapters.
        alpha: scale of the adapters times their rank.
        dropout: share of the adapters' inputs that is dropped in training.
        density: share of entries that TIES keeps.
        merge_space: `factors` merges the factors A and B apart, as published; `delta` their products, which is not the
            same.

    Source: Xu et al. 2025, arXiv:2503.21088.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)
    intent: ClassVar[str] = "knowledge"
    aims: ClassVar[str] = "removal"

    epochs: int = 5
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warmup_epochs: float = 1.0
    over: tuple[float, float, float] = (0.4, 0.4, 0.2)
    under: tuple[float, float, float] = (0.3, 0.3, 0.4)
    accumulation: int = 4
    beta: float = 0.1
    rank: int = 32
    alpha: float = 32.0
    dropout: float = 0.05
    density: float = 0.8
    merge_space: Literal["factors", "delta"] = field(default="factors")

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        if not 0 <= self.density <= 1 or self.accumulation < 1:
            raise ConfigurationError(
                f"density must lie between 0 and 1 and accumulation be at least 1, not {self.density} and "
                f"{self.accumulation}"
            )
        for descent in self.descents().values():
            descent.check()

    def descents(self) -> Mapping[str, BalancedNPO]:
        """Return how each adapter is trained."""
        scope: Scope = LoRA(rank=self.rank, alpha=self.alpha, dropout=self.dropout)
        plain = BalancedNPO(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_epochs=self.warmup_epochs,
            beta=self.beta,
            scope=scope,
        )
        found = {}
        for name, weights, size in (("over", self.over, 1), ("under", self.under, 2)):
            a, b, c = weights
            found[name] = replace(
                plain,
                npo_weight=a,
                kl_weight=b,
                nll_weight=c,
                together_forward=size,
                batch_size=size * self.accumulation,
            )
        return found

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Return the original with the merged adapter added to its weights."""
        self.check()
        trained: list[Factors] = []
        for name, descent in self.descents().items():
            part = run.part(name)
            # Both adapters begin at the same A: factors that began apart could not be averaged.
            part.path = run.path
            model = descent.unlearn(problem, part)
            found = {layer: adapters.factors(module) for layer, module in adapters.adapted_layers(model).items()}
            trained.append({layer: (a.detach(), b.detach(), scale) for layer, (a, b, scale) in found.items()})
        return self.merged(problem.model, trained)

    def merged(self, original: nn.Module, trained: list[Factors]) -> nn.Module:
        """Return a copy of the model with the TIES merge of adapters added to its weights."""
        values = {}
        for layer in trained[0]:
            weight: Any = original.get_parameter(f"{layer}.weight").detach()
            parts = [adapter[layer] for adapter in trained]
            values[f"{layer}.weight"] = weight + self._delta(parts).to(weight)
        return with_weights(original, values).eval()

    def _delta(self, parts: list[tuple[Tensor, Tensor, float]]) -> Tensor:
        """Return what is added to one weight: the product of merged factors, or the merge of products."""
        if self.merge_space == "delta":
            return ties([scale * b @ a for a, b, scale in parts], self.density)
        # Either factor carries the root of the scale; the merged adapter has none of its own.
        roots = [scale**0.5 for _, _, scale in parts]
        return ties([b for _, b, _ in parts], self.density, roots) @ ties([a for a, _, _ in parts], self.density, roots)
