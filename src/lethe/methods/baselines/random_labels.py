"""Random labels: teach the model wrong answers on the forget set and the right ones on the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import feeds
from lethe.descent import Descent, Objective
from lethe.examples import Batch, join
from lethe.feeds import Draw, Rows
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import as_classification


@dataclass(frozen=True, kw_only=True)
class RandomLabels(Descent):
    """Random labelling (RL): min E_f[L(θ; x, y′)] + α E_r[L(θ; x, y)] with y′ drawn anew for every example and epoch.

    Fixed wrong labels would be memorised in the place of the right ones.

    Args:
        order: `separate` passes over the forget set, then over the retain set, in every epoch (as the release does on
            CIFAR-10); `mixed` shuffles both together (as it does on CIFAR-100).
        exclude_true: draw y′ ≠ y as the paper says; the release draws from all classes.
        retain_weight: weight α of the retain loss.

    Source: the RL baseline of Fan et al. 2024, SalUn, arXiv:2310.12508, eq. 5; Golatkar et al. 2020, arXiv:1911.04933.
    """

    epochs: int = 10
    batch_size: int = 256
    learning_rate: float = 0.013
    divisible: ClassVar[bool] = False  # a mixed batch holds both sets in whatever shares fall into it
    aims: ClassVar[str] = "suppression"

    order: Literal["separate", "mixed"] = "separate"
    exclude_true: bool = True
    retain_weight: float = 1.0

    def together(self) -> frozenset[str]:
        """Forget and retain examples meet in no step; even a mixed batch may hold one kind only."""
        return frozenset()

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over both sets, one after the other or shuffled together."""
        if self.order == "mixed":
            return feeds.mixed(problem, run, epoch, self.batch_size)
        forget = feeds.forget_pass(problem, run, epoch, self.batch_size)
        return [*forget, *feeds.retain_pass(problem, run, epoch, self.batch_size)]

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the two cross-entropies; in a mixed batch each counts by its share of the examples."""
        task = as_classification(problem.task, "random labelling")
        drawn: dict[int, Tensor] = {}

        def wrong_labels(epoch: int) -> Tensor:
            if epoch not in drawn:
                drawn.clear()
                true = problem.forget.tensor(task.label)
                drawn[epoch] = random_labels(true, task.classes, self.exclude_true, run.generator("labels", epoch))
            return drawn[epoch]

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            relabelled: Batch | None = None
            if draw.forget is not None:
                labels = wrong_labels(draw.epoch)[draw.forget.rows].to(run.device)
                relabelled = draw.forget.with_column(task.label, labels)
            if relabelled is None or draw.retain is None:
                name, batch = ("retain", draw.retain) if relabelled is None else ("forget", relabelled)
                assert batch is not None
                return {name: self._weight(name) * task.losses(model, batch)}
            count, losses = len(relabelled), task.losses(model, join(relabelled, draw.retain))
            share = count / len(losses)
            return {
                "forget": share * losses[:count],
                "retain": (1 - share) * self.retain_weight * losses[count:],
            }

        return terms

    def _weight(self, name: str) -> float:
        return self.retain_weight if name == "retain" else 1.0


def random_labels(true: Tensor, classes: int, exclude_true: bool, generator: torch.Generator) -> Tensor:
    """Return labels drawn uniformly, [N]: from the other classes with `exclude_true`, else from all."""
    if exclude_true:
        return (true + torch.randint(1, classes, true.shape, generator=generator)) % classes
    return torch.randint(0, classes, true.shape, generator=generator)
