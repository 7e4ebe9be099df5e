"""Opt-Out: NPO beside retain losses, with an optimal-transport distance that keeps the distribution of the weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from lethe import feeds, losses
from lethe.descent import Objective
from lethe.errors import ConfigurationError
from lethe.examples import Batch
from lethe.feeds import Draw, Rows
from lethe.methods.descent.language import (
    ForgetTerm,
    LanguageDescent,
    forgotten,
    retain_term,
    sequence_log_probs,
)
from lethe.problem import Problem
from lethe.run import Run
from lethe.steps import Step
from lethe.steps.alternating import Alternating
from lethe.tasks import CausalLM, as_causal_lm


@dataclass(frozen=True, kw_only=True)
class OptOut(LanguageDescent):
    """Opt-Out: L_NPO(D_f), then ℓ(x_r) + ℓ(x_w) + λ Σ_W SW(W_0, W), in two updates a batch or in one.

    L_NPO = -(2/β) log σ(β (ℓ(x_f; θ) - ℓ(x_f; θ_0))) is one number a batch: ℓ is the mean over all answer tokens of the
    batch. x_r are retain examples near the person to forget, x_w others about the world; of each as many are used as
    there are forget examples. SW is the sliced Wasserstein distance between the rows of a tensor now and in the
    original, along directions drawn anew at each step, in float32: rows may change places, their distribution may not.

    The released command updates twice a batch; `step=Plain()` makes one update with the sum of all terms.

    Args:
        beta: β.
        transport_weight: λ; the distance grows with the number of rows, which its default takes as given.
        projections: K, directions a tensor and step.
        world_column: column of the retain set that tells x_w from x_r; empty where there is no x_w.
        world_value: what x_w have in that column.
        schedule_epochs: epochs the learning rate's schedule is made for; the release plans three and stops after two.

    Source: Choi et al. 2025, arXiv:2406.12329.
    """

    divisible: ClassVar[bool] = False
    weighable: ClassVar[bool] = False
    aims: ClassVar[str] = "removal"

    epochs: int = 2
    batch_size: int = 8
    warmup_epochs: float = 0.0
    step: Step = field(default_factory=lambda: Alternating(max_norm=1.0))
    beta: float = 0.1
    transport_weight: float = 0.1
    projections: int = 100
    world_column: str = ""
    world_value: str = "world"
    schedule_epochs: int = 3

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        super().check()
        if not self.beta > 0 or self.transport_weight < 0 or self.projections < 1:
            raise ConfigurationError("beta must be positive, transport_weight not negative, projections at least 1")
        if self.schedule_epochs < self.epochs:
            raise ConfigurationError(
                f"schedule_epochs={self.schedule_epochs} ends before the {self.epochs} epochs; give at least as many"
            )

    def rate(self, step: int, total: int) -> float:
        """Return the factor on the learning rate, of a schedule that may be longer than the run."""
        planned = dataclasses.replace(self, epochs=self.schedule_epochs)
        return super(OptOut, planned).rate(step, round(total * self.schedule_epochs / self.epochs))

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over the forget set, each batch beside as many of each kind of retain example."""
        forget = feeds.forget_pass(problem, run, epoch, self.batch_size)
        if self.retain == "none":
            return forget
        sizes = [len(rows) for rows, _ in forget if rows is not None]
        drawn = [_drawn(kind, sum(sizes), run, epoch, i).split(sizes) for i, kind in enumerate(self._kinds(problem))]
        return [(rows, torch.cat(retain)) for (rows, _), *retain in zip(forget, *drawn, strict=True)]

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the forget term, the retain term and the transport term, each a scalar."""
        task = as_causal_lm(problem.task, type(self).__name__)
        forget = self.forget_term(problem, task, run)
        retain = None if self.retain == "none" else retain_term(problem, task, self.retain)
        kinds = () if retain is None else self._kinds(problem)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            named = {"forget": self.forget_weight * forget(model, draw)}
            if retain is not None and draw.retain is not None:
                parts = [_of_kind(draw.retain, kind, task) for kind in kinds]
                means = [retain(model, part).mean() for part in parts]
                named["retain"] = self.retain_weight * torch.stack(means).sum()
            if self.transport_weight:
                named["transport"] = self.transport_weight * self.transport(model, problem.model, draw.step, run)
            return named

        return terms

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return NPO of the batch's mean token loss, a scalar."""
        reference = sequence_log_probs(problem.model, task, problem.forget, run)

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            tokens = task.answer_lengths(batch).sum()
            now = task.log_probs(model, batch).sum() / tokens
            before = reference[batch.rows.to(reference.device)].sum() / tokens
            return losses.npo(now, before, self.beta)

        return term

    def transport(self, model: nn.Module, original: nn.Module, step: int, run: Run) -> Tensor:
        """Return Σ_W SW(W_0, W) over the tensors that may move; the others would add 0."""
        before = dict(original.named_parameters())
        found = []
        for name, weight in model.named_parameters():
            if weight.requires_grad and name in before:
                width = losses.as_matrix(weight).shape[1]
                directions = losses.unit_directions(width, self.projections, run.generator("directions", step, name))
                found.append(losses.sliced_wasserstein(before[name], weight, directions))
        if not found:
            raise ConfigurationError(
                "OptOut compares weights with the original's, and the scope moves none of them; choose another scope "
                "than LoRA, or transport_weight=0"
            )
        return torch.stack(found).sum()

    def _kinds(self, problem: Problem) -> tuple[Tensor, ...]:
        """Return the rows of the retain set that are x_r, and those that are x_w where there is such a column."""
        everything = torch.arange(len(problem.kept))
        if not self.world_column:
            return (everything,)
        if self.world_column not in problem.kept.columns:
            raise ConfigurationError(
                f"the retain set has no column '{self.world_column}'; world_column names one of "
                f"{', '.join(sorted(problem.kept.columns))}"
            )
        marks = [str(value) for value in np.asarray(problem.kept[self.world_column])]
        world = torch.tensor([mark == self.world_value for mark in marks])
        if bool(world.all()) or not bool(world.any()):
            raise ConfigurationError(
                f"'{self.world_value}' in the column '{self.world_column}' marks {int(world.sum())} of {len(world)} "
                "retain examples; it has to tell world knowledge from the rest"
            )
        return everything[~world], everything[world]


def _drawn(rows: Tensor, count: int, run: Run, epoch: int, kind: int) -> Tensor:
    """Return `count` of the rows, the same in every epoch in another order; where there are fewer, they come again."""
    chosen = rows[torch.randperm(len(rows), generator=run.generator("retain sample", kind))[:count]]
    order = chosen[torch.randperm(len(chosen), generator=run.generator("retain order", kind, epoch))]
    return order.repeat(math.ceil(count / len(order)))[:count]


def _of_kind(batch: Batch, rows: Tensor, task: CausalLM) -> Batch:
    """Return the examples of a batch that stand in these rows of the retain set, as a batch of their own."""
    return task.prepare(batch.at(torch.isin(batch.rows.cpu(), rows).nonzero().flatten()))
