"""Relearn time: how fast a little training on the forget set brings back what was forgotten."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.auditing.attacks.base import Attack
from lethe.auditing.metric import Score
from lethe.errors import ConfigurationError, Diverged
from lethe.examples import Batch, Examples, shuffled
from lethe.measuring import over_examples
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.segments import sum_by_row
from lethe.tasks import CausalLM, Task, as_classification


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

    title: ClassVar[str] = "Relearn steps"

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_steps", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")

    def resolution(self, problem: Problem) -> float:
        """Return the steps between two looks."""
        return float(self.evaluate_every)

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the number of steps, with the curve of the forget accuracy (or probability) by step."""
        task, start = problem.task, time.perf_counter()
        before = _performance(problem.model, task, problem.forget, run)
        target = (
            (1 + self.slack) * before["loss"] if self.criterion == "loss" else (self.fraction * before[self.criterion])
        )
        shown = "accuracy" if self.criterion == "loss" else self.criterion
        attacked = copied(model).to(run.device).eval().requires_grad_(True)
        curve: list[list[float]] = []
        censored, step = True, 0
        with run.progress.bar("relearning", self.max_steps) as bar:
            for step in self._train(attacked, task, problem.forget, run):
                now = _performance(attacked, task, problem.forget, run)
                curve.append([float(step), now[shown]])
                bar.advance(self.evaluate_every if step else 0, **{shown: now[shown]})
                if now["loss"] <= target if self.criterion == "loss" else now[shown] >= target:
                    censored = False
                    break
        cost = {"steps": step, "seconds": time.perf_counter() - start}
        return Score(
            float(step), {"measure": shown, "curve": curve, "target": target, "censored": censored, "cost": cost}
        )

    def _train(self, model: nn.Module, task: Task, forget: Examples, run: Run) -> Iterator[int]:
        """Yield the number of steps done, from 0, whenever it is time to look."""
        optimizer = self._optimizer(model)
        yield 0
        for step, batch in enumerate(self._batches(forget, run), start=1):
            run.interrupt_point()
            loss = task.training_losses(model, task.prepare(batch).to(run.device)).mean()
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


@dataclass(frozen=True)
class RelearnText(Relearn):
    """Relearn time of a language model: optimiser steps on the forget set until its answers are as likely as before.

    T = min{t : P̄(θ_t; D_f) ≥ fraction · P̄(θ_0; D_f)}, P̄ the mean over answers of p(a | q)^(1/|a|); accuracy is the
    share of the answers' tokens that are the likeliest. See `Relearn`.

    Args:
        criterion: what has to come back, `accuracy`, `probability` or `loss`.
        learning_rate: step size; ten times that of the usual fine-tuning, so that gold arrives within the limit.

    Source: AIN of Tarun et al. 2022, arXiv:2210.08196, with the probability of TOFU, Maini et al. 2024,
    arXiv:2401.06121.
    """

    criterion: Literal["accuracy", "probability", "loss"] = "probability"
    fraction: float = 0.9
    learning_rate: float = 1e-4
    batch_size: int = 32
    max_steps: int = 200
    evaluate_every: int = 5

    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)


def _performance(model: nn.Module, task: Task, examples: Examples, run: Run) -> dict[str, float]:
    """Return accuracy, mean probability and mean loss in eval mode."""

    def read(model: nn.Module, batch: Batch) -> Tensor:
        outputs = task.outputs(model, batch)
        return torch.stack([*_right(task, outputs, batch), task.losses_from(outputs, batch)], 1).double()

    # Aside: what is spent on looking is no part of the attack.
    right, said, losses = over_examples(model, task, examples, Run(device=run.device), read, "looking").unbind(1)
    return {
        "accuracy": float(right.sum() / said.sum()),
        "probability": float(losses.neg().exp().mean()),
        "loss": float(losses.mean()),
    }


def _right(task: Task, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return how many of what each example has to say is the likeliest, and how many there are, [B] each."""
    if isinstance(task, CausalLM):
        hits = outputs.argmax(-1) == task.targets(batch)
        lengths = task.answer_lengths(batch)
        return sum_by_row(hits.float(), task.rows(batch), len(batch)), lengths.float()
    hits = outputs.argmax(-1) == as_classification(task, "relearn time").labels(batch)
    return hits.float(), torch.ones_like(hits, dtype=torch.float)
