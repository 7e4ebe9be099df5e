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
from lethe.auditing.attacks.regained import performance, victim
from lethe.auditing.metric import Score
from lethe.errors import ConfigurationError, Diverged
from lethe.examples import Batch, Examples, shuffled
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Task


@dataclass(frozen=True)
class Relearn(Attack):
    """Relearn time: optimiser steps on the forget set until the model does as well on it as the original.

    T = min{t : Acc(θ_t; D_f) ≥ fraction · Acc(θ_0; D_f)}, the same with the mean probability P̄ of the true labels, or
    min{t : L(θ_t; D_f) ≤ (1 + slack) · L(θ_0; D_f)}.
    A model that still holds what it no longer shows needs fewer steps than gold, which has to learn it for the first
    time; divided by gold's steps this is the anamnesis index (AIN). All models see the same batches, in eval mode, so
    that batch-norm statistics stay. A model that is not there after `max_steps` is reported at that limit, `censored`:
    what lies beyond is unknown, and gold models that all stop there show no spread of their own.

    Args:
        criterion: what has to come back, `accuracy`, `probability` (mean of exp(-loss) over examples) or `loss`.
        fraction: share of the original's forget accuracy, or probability, to regain.
        slack: how far above the original's forget loss is near enough.
        optimizer: `adam` or `sgd` (momentum 0.9).
        learning_rate: step size.
        batch_size: forget examples a step.
        max_steps: where the attack gives up.
        evaluate_every: steps between two looks at the forget set; the value is a multiple of it.
        examples: most forget examples to relearn and look at, a random sample of larger sets; 0 takes all.

    Source: AIN of Tarun et al. 2022, arXiv:2210.08196 (criterion `loss`, slack 0.05, Adam).
    """

    criterion: Literal["accuracy", "probability", "loss"] = "accuracy"
    fraction: float = 1.0
    slack: float = 0.05
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 64
    max_steps: int = 500
    evaluate_every: int = 1
    examples: int = 0

    title: ClassVar[str] = "Relearn steps"

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_steps", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.examples < 0:
            raise ConfigurationError(f"examples must not be negative, not {self.examples}")

    def resolution(self, problem: Problem) -> float:
        """Return the steps between two looks."""
        return float(self.evaluate_every)

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the number of steps, with the curve of the forget accuracy (or probability) by step."""
        task, start = problem.task, time.perf_counter()
        forget = problem.forget.sample(self.examples or len(problem.forget), run.generator("relearnt"))
        before = performance(problem.model, task, forget, run)
        target = (
            (1 + self.slack) * before["loss"] if self.criterion == "loss" else (self.fraction * before[self.criterion])
        )
        shown = "accuracy" if self.criterion == "loss" and "accuracy" in before else self.criterion
        attacked = victim(model, run)
        curve: list[list[float]] = []
        censored, step = True, 0
        with run.progress.bar("relearning", self.max_steps) as bar:
            for step in self._train(attacked, task, self.lesson(problem, forget), run):
                now = performance(attacked, task, forget, run)
                curve.append([float(step), now[shown]])
                bar.advance(self.evaluate_every if step else 0, **{shown: now[shown]})
                if now["loss"] <= target if self.criterion == "loss" else now[shown] >= target:
                    censored = False
                    break
        cost = {"steps": step, "examples": len(forget), "seconds": time.perf_counter() - start}
        # What is measured and what is reported differ here: there is no number of steps without the attack.
        reached = {"measure": shown, "began": curve[0][1], "ended": curve[-1][1], "target": target}
        return Score(float(step), {"curve": curve, **reached, "censored": censored, "cost": cost})

    def lesson(self, problem: Problem, forget: Examples) -> Examples:
        """Return what the model is trained on: the forget examples that are looked at."""
        return forget

    def _train(self, model: nn.Module, task: Task, lesson: Examples, run: Run) -> Iterator[int]:
        """Yield the number of steps done, from 0, whenever it is time to look."""
        optimizer = self._optimizer(model)
        yield 0
        for step, batch in enumerate(self._batches(lesson, run), start=1):
            run.interrupt_point()
            loss = task.training_losses(model, task.prepare(batch).to(run.device)).mean()
            if not math.isfinite(loss.item()):
                raise Diverged(f"relearning is no longer finite at step {step}; lower its learning_rate")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if step % self.evaluate_every == 0 or step == self.max_steps:
                yield step

    def _batches(self, lesson: Examples, run: Run) -> Iterator[Batch]:
        done = epoch = 0
        while True:
            for rows in shuffled(len(lesson), self.batch_size, run.generator("relearning order", epoch)):
                if done == self.max_steps:
                    return
                yield lesson.batch(rows)
                done += 1
            epoch += 1

    def _optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        if self.optimizer == "adam":
            return torch.optim.Adam(model.parameters(), lr=self.learning_rate)
        return torch.optim.SGD(model.parameters(), lr=self.learning_rate, momentum=0.9)


@dataclass(frozen=True)
class RelearnText(Relearn):
    """Relearn time of a language model: optimiser steps on the forget set until its answers are as likely as before.

    T = min{t : P̄(θ_t; D_f) ≥ fraction · P̄(θ_0; D_f)}, P̄ the mean over answers of p(a | q)^(1/|a|); accuracy is the
    share of the answers' tokens that are the likeliest. See `Relearn`.

    Args:
        criterion: what has to come back, `accuracy`, `probability` or `loss`.
        learning_rate: step size; thirty times that of the usual fine-tuning, so that gold comes near within the limit.

    Source: AIN of Tarun et al. 2022, arXiv:2210.08196, with the probability of TOFU, Maini et al. 2024,
    arXiv:2401.06121.
    """

    criterion: Literal["accuracy", "probability", "loss"] = "probability"
    fraction: float = 0.9
    learning_rate: float = 3e-4
    batch_size: int = 16
    max_steps: int = 60
    evaluate_every: int = 5
    examples: int = 100

    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)
