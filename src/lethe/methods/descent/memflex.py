"""MemFlex: ascent and descent in the tensors where what is to be forgotten and what is to stay can be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.descent import Objective
from lethe.errors import ConfigurationError
from lethe.feeds import Draw, Rows
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Scope
from lethe.scopes.memflex import MemFlexRegion
from lethe.tasks import CausalLM, as_causal_lm


@dataclass(frozen=True, kw_only=True)
class MemFlex(LanguageDescent):
    """MemFlex: min mean_i f_i ℓ_i over forget (f = -0.4) and retain examples (f = 2), in the region of the scope.

    ℓ_i is the mean token loss of an answer. Each forget example stands beside one retain example drawn at random; the
    list of all is shuffled once and read in that order in every epoch. The region is made for the adapters of a model
    that was trained with LoRA; where there are none it is made of the linear layers they would stand beside.

    Args:
        forget_weight: -f of forget examples.
        retain_weight: f of retain examples.
        similarity: μ of the region.
        magnitude: σ of the region.
        quantiles: read μ and σ as shares of the tensors.
        candidates: patterns of the names of tensors to choose the region from; empty for adapters, else linear layers.

    Source: Tian et al. 2024, KnowUnDo, arXiv:2407.01920, section 4.
    """

    aims: ClassVar[str] = "removal"

    epochs: int = 2
    batch_size: int = 16
    learning_rate: float = 3e-4
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup_epochs: float = 0.06
    forget_weight: float = 0.4
    retain_weight: float = 2.0
    similarity: float = 0.92
    magnitude: float = 6e-4
    quantiles: bool = False
    candidates: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise ConfigurationError where the retain term is to be another than the loss."""
        super().check()
        if self.retain == "kl":
            raise ConfigurationError("MemFlex descends on the losses of retain examples; set retain to nll or none")

    def requirements(self) -> frozenset[str]:
        """The retain set: also without a retain term the region is found with it."""
        return self.needs

    def together(self) -> frozenset[str]:
        """A batch holds what fell into it."""
        return frozenset()

    def reach(self) -> Scope:
        """The region, within the user's scope."""
        return self.scope & MemFlexRegion(self.similarity, self.magnitude, self.quantiles, self.candidates)

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """Forget and retain examples in one random order, the same in every epoch."""
        count = len(problem.forget)
        if self.retain == "none":
            return super().plan(problem, run, 0)
        beside = torch.randint(len(problem.kept), (count,), generator=run.generator("retain beside"))
        order = torch.randperm(2 * count, generator=run.generator("shuffled once"))
        batches: list[Rows] = []
        for places in order.split(self.batch_size):
            forget, retain = places[places < count], beside[places[places >= count] - count]
            batches.append((forget if len(forget) else None, retain if len(retain) else None))
        return batches

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return both terms, each by its share of the batch's examples."""
        task = as_causal_lm(problem.task, type(self).__name__)
        forget = self.forget_term(problem, task, run)
        sizes = [(_size(forget), _size(retain)) for forget, retain in self.plan(problem, run, 0)]

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            # The whole batch's counts: a part of it does not know them.
            forgets, retains = sizes[draw.step % len(sizes)]
            named: dict[str, Tensor] = {}
            if draw.forget is not None:
                named["forget"] = self.forget_weight * forgets / (forgets + retains) * forget(model, draw)
            if draw.retain is not None:
                named["retain"] = self.retain_weight * retains / (forgets + retains) * task.losses(model, draw.retain)
            return named

        return terms

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the negative loss of each forget answer."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            return -task.losses(model, forgotten(draw))

        return term


def _size(rows: Tensor | None) -> int:
    return 0 if rows is None else len(rows)
