"""Relearn time: how fast a little training on the forget set brings back what was forgotten."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from lethe.auditing.attacks.base import Attack
from lethe.auditing.metric import Score
from lethe.errors import ConfigurationError, Diverged
from lethe.examples import Batch, Examples, shuffled
from lethe.measuring import EVALUATION_BATCH, evaluation
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification, as_classification


@dataclass(frozen=True)
class Relearn(Attack):
    """Relearn time: optimiser steps on the forget set until the model does as well on it as the original.

    T = min{t : Acc(θ_t; D_f) ≥ fraction · Acc(θ_0; D_f)}, or min{t : L(θ_t; D_f) ≤ (1 + slack) · L(θ_0; D_f)}.
    A model that still holds what it no longer shows needs fewer steps than gold, which has to learn it for the first
    time; divided by gold's steps this is the anamnesis index (AIN). All models see the same batches, in eval mode, so
    that batch-norm statistics stay. A model that is not there after `max_steps` is reported at that limit, `censored`:
    what lies beyond is unknown, and gold models that all stop there show no spread of their own.

    Args:
        criterion: what has to come back, `accuracy` or `loss`.
        fraction: share of the original's forget accuracy to regain.
        slack: how far above the original's forget loss is near enough.
        optimizer: `adam` or `sgd` (momentum 0.9).
        learning_rate: step size.
        batch_size: forget examples a step.
        max_steps: where the attack gives up.
        evaluate_every: steps between two looks at the forget set; the value is a multiple of it.

    Source: AIN of Tarun et al. 2022, arXiv:2210.08196 (criterion `loss`, slack 0.05, Adam).
    """

    criterion: Literal["accuracy", "loss"] = "accuracy"
    fraction: float = 1.0
    slack: float = 0.05
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 64
    max_steps: int = 500
    evaluate_every: int = 1

    title: ClassVar[str] = "Relearn steps"

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_steps", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")

    def resolution(self, problem: Problem) -> float:
        """Return the steps between two looks."""
        return float(self.evaluate_every)

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the number of steps, with the curve of the forget accuracy by step."""
        task, start = as_classification(problem.task, "relearn time"), time.perf_counter()
        accuracy, loss = _performance(problem.model, task, problem.forget, run)
        target = self.fraction * accuracy if self.criterion == "accuracy" else (1 + self.slack) * loss
        attacked = copied(model).to(run.device).eval().requires_grad_(True)
        curve: list[list[float]] = []
        censored, step = True, 0
        with run.progress.bar("relearning", self.max_steps) as bar:
            for step in self._train(attacked, task, problem.forget, run):
                accuracy, loss = _performance(attacked, task, problem.forget, run)
                curve.append([float(step), accuracy])
                bar.advance(self.evaluate_every if step else 0, accuracy=accuracy)
                if accuracy >= target if self.criterion == "accuracy" else loss <= target:
                    censored = False
                    break
        cost = {"steps": step, "seconds": time.perf_counter() - start}
        return Score(float(step), {"curve": curve, "target": target, "censored": censored, "cost": cost})

    def _train(self, model: nn.Module, task: Classification, forget: Examples, run: Run) -> Iterator[int]:
        """Yield the number of steps done, from 0, whenever it is time to look."""
        optimizer = self._optimizer(model)
        yield 0
        for step, batch in enumerate(self._batches(forget, run), start=1):
            run.interrupt_point()
            loss = task.losses(model, batch.to(run.device)).mean()
            if not math.isfinite(loss.item()):
                raise Diverged(f"relearning is no longer finite at step {step}; lower its learning_rate")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if step % self.evaluate_every == 0 or step == self.max_steps:
                yield step

    def _batches(self, forget: Examples, run: Run) -> Iterator[Batch]:
        done = epoch = 0
        while True:
            for rows in shuffled(len(forget), self.batch_size, run.generator("relearning order", epoch)):
                if done == self.max_steps:
                    return
                yield forget.batch(rows)
                done += 1
            epoch += 1

    def _optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        if self.optimizer == "adam":
            return torch.optim.Adam(model.parameters(), lr=self.learning_rate)
        return torch.optim.SGD(model.parameters(), lr=self.learning_rate, momentum=0.9)


def _performance(model: nn.Module, task: Classification, examples: Examples, run: Run) -> tuple[float, float]:
    """Return accuracy and mean loss in eval mode."""
    right = total = 0.0
    with evaluation(model):
        for batch in examples.batches(EVALUATION_BATCH):
            moved = batch.to(run.device)
            logits, labels = task.outputs(model, moved), task.labels(moved)
            right += (logits.argmax(-1) == labels).sum().item()
            total += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
    return right / len(examples), total / len(examples)
