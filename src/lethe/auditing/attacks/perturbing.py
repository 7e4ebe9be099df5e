"""Perturbing: change every weight a little, without any data, and measure the forget set again."""

from __future__ import annotations

import sys
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.auditing.attacks.regained import Regaining, best_of, victim
from lethe.auditing.metric import Score
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Task

Part = Literal["inside", "everything"]


@dataclass(frozen=True, kw_only=True)
class Perturbing(Regaining):
    """An attack that needs no data: the weights are changed as little as several strengths say, each from the model.

    The value is the most that comes back at any strength: whoever holds the weights tries them all. All models are
    changed alike, and the linear maps and convolutions alone; norms and biases stay.

    Args:
        part: `inside` leaves embeddings and head as they are, as libraries that round weights do; `everything` does
            not.
    """

    part: Part = "inside"

    word: ClassVar[str]
    """What one strength is called in the details."""

    @property
    @abstractmethod
    def strengths(self) -> Sequence[float]:
        """The strengths, from the weakest."""

    @abstractmethod
    def perturb(self, weights: Sequence[Tensor], strength: float, run: Run) -> None:
        """Change the weights in place, [outputs, inputs] each, and each a view of the model's own."""

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the most that came back, with the curve by strength, and the strength that brought it."""
        start, task = time.perf_counter(), problem.task
        examples = self.sample(problem.forget, run)
        before = self.look(victim(model, run), task, examples, run)
        curve: list[tuple[float, Tensor]] = []
        with run.progress.bar(self.title.lower(), len(self.strengths)) as bar:
            for strength in self.strengths:
                run.interrupt_point()
                attacked = victim(model, run)
                with torch.no_grad():
                    self.perturb(list(matrices(attacked, task, self.part)), strength, run)
                curve.append((strength, self.look(attacked, task, examples, run)))
                bar.advance()
        best, value = best_of(curve)
        return self.score(value, before, curve, start, examples, {"models": len(curve)}, **{self.word: best})


def matrices(model: nn.Module, task: Task, part: Part) -> Iterator[Tensor]:
    """Yield the weights of linear maps, convolutions and experts as matrices [outputs, inputs] over the model's own."""
    head = task.head(model)
    for module in task.layers(model).values():
        if part == "inside" and (module is head or isinstance(module, nn.Embedding)):
            continue
        for weight in module.parameters(recurse=False):
            if weight.dim() >= 2:
                weight.data = weight.data.contiguous()  # a copy would be changed in the place of the weight otherwise
                yield _by_output(module, weight.data)


def _by_output(module: nn.Module, weight: Tensor) -> Tensor:
    transformers = sys.modules.get("transformers.pytorch_utils")
    if transformers is not None and isinstance(module, transformers.Conv1D):
        return weight.T  # GPT-2 stores its linear maps the other way round
    # Experts are a stack of matrices [E, outputs, inputs]; a convolution's outputs come first.
    return weight.flatten(0, -2) if weight.dim() == 3 and not isinstance(module, nn.Conv1d) else weight.flatten(1)
