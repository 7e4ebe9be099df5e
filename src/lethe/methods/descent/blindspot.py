"""Blindspot: imitate, where it is to be forgotten, a model that has seen a little of everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe import feeds
from lethe.descent import Descent, Objective
from lethe.errors import ConfigurationError, nearest
from lethe.feeds import Draw, Rows
from lethe.hooks import reading
from lethe.measuring import example_outputs, over_examples
from lethe.methods.baselines.finetune import FineTune, retain_losses
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Regression, Task, as_regression


@dataclass(frozen=True, kw_only=True)
class Blindspot(Descent):
    """Blindspot unlearning for regression: ρ·L_f + (1 - ρ)·L_r over mixed batches, ρ the forget share of each.

    A model with new weights is trained a little on the retain set alone; it has a blind spot where the forget set was.
    L_f = ℓ(f_θ(x), f_b(x)) + β Σ_j mean (q(a_j) - q(a_j^b))², q(a) = the mean over axis 1 of a², flattened and brought
    to length 1: the attention maps of chosen layers. L_r is the training loss.

    Args:
        teacher_epochs: passes over the retain set of the model with the blind spot.
        teacher_learning_rate: step size of that.
        beta: weight β of the attention maps.
        attend: patterns of the names of layers whose maps are matched; empty for all that put out [B, C, ...].

    Source: Tarun et al. 2023, Deep Regression Unlearning, arXiv:2210.08196.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Regression,)

    epochs: int = 1
    batch_size: int = 256
    learning_rate: float = 1e-3
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    divisible: ClassVar[bool] = False  # a batch holds both sets in whatever shares fall into it
    aims: ClassVar[str] = "removal"

    teacher_epochs: int = 2
    teacher_learning_rate: float = 0.01
    beta: float = 50.0
    attend: tuple[str, ...] = ()

    def together(self) -> frozenset[str]:
        """A mixed batch may hold one kind only."""
        return frozenset()

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over both sets shuffled together."""
        return feeds.mixed(problem, run, epoch, self.batch_size)

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return both terms, each by its share of the batch."""
        task = as_regression(problem.task, "blindspot")
        teacher = self._teacher(problem, run)
        said = example_outputs(teacher, task, problem.forget, run).to(run.device)
        names = attended(problem, self.attend)
        maps = {name: maps_of(teacher, name, problem, run).to(run.device) for name in names}

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            sizes = {"forget": draw.forget, "retain": draw.retain}
            total = sum(len(batch) for batch in sizes.values() if batch is not None)
            found: dict[str, Tensor] = {}
            if draw.forget is not None:
                rows = draw.forget.rows
                layers = {name: model.get_submodule(name) for name in names}
                with reading(layers) as seen:
                    outputs = task.outputs(model, draw.forget)
                apart = task.losses_from(outputs, draw.forget.with_column(task.target, said[rows]))
                for name in names:
                    gaps = attention(seen[name]) - maps[name][rows.to(maps[name].device)]
                    apart = apart + self.beta * gaps.square().mean(1)
                found["forget"] = len(draw.forget) / total * apart
            if draw.retain is not None:
                found["retain"] = len(draw.retain) / total * retain_losses(problem, model, draw)
            return found

        return terms

    def _teacher(self, problem: Problem, run: Run) -> nn.Module:
        """Return the model with the blind spot."""
        recipe = FineTune(
            epochs=self.teacher_epochs, learning_rate=self.teacher_learning_rate, optimizer="adam",
            batch_size=self.batch_size, weight_decay=0.0,
        )  # fmt: skip
        fresh = problem.task.fresh(problem.model, run.key("blindspot")).to(run.device)
        return recipe.unlearn(replace(problem, model=fresh), run.part("blindspot")).eval()


def attention(activations: Tensor) -> Tensor:
    """Return the attention map of each example: the mean over axis 1 of a², flattened and brought to length 1, [B, P].

    Args:
        activations: [B, C, ...]; of a sequence [B, T, D] the mean runs over time.

    >>> attention(torch.tensor([[[3.0, 0.0], [3.0, 4.0]]]))
    tensor([[0.7474, 0.6644]])
    """
    return F.normalize(activations.square().mean(1).flatten(1), dim=1)


def maps_of(model: nn.Module, name: str, problem: Problem, run: Run) -> Tensor:
    """Return the attention maps that a layer of the model has of the forget set, [N, P]."""
    layer = model.get_submodule(name)

    def read(model: nn.Module, batch: object) -> Tensor:
        with reading({"layer": layer}) as seen:
            problem.task.outputs(model, batch)  # type: ignore[arg-type]
        return attention(seen["layer"])

    return over_examples(model, problem.task, problem.forget, run, read, "attention maps")


def attended(problem: Problem, patterns: Sequence[str]) -> list[str]:
    """Return the names of the layers that match, or of all that put out [B, C, ...].

    Raises:
        ConfigurationError: a pattern matches no layer, or one whose output has no positions.
    """
    layers = problem.task.layers(problem.model)
    one = problem.forget.batch(torch.tensor([0]))
    with torch.no_grad(), reading(layers) as seen:
        problem.task.outputs(problem.model, one)
    spatial = [name for name in layers if name in seen and seen[name].dim() > 2]
    if not patterns:
        return spatial
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in spatial):
            raise ConfigurationError(f"no layer with positions matches '{pattern}'{nearest(pattern, spatial)}")
    return [name for name in spatial if any(fnmatchcase(name, pattern) for pattern in patterns)]
