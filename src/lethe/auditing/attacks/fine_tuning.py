"""Fine-tuning as an attack: train on one set of examples and watch another come back, step by step."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lethe import adapters
from lethe.auditing.attacks.regained import Regaining, best_of, victim
from lethe.auditing.metric import Score
from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples, shuffled
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Task

RATES = {"language": (1e-4, 1e-3), "language adapters": (1e-3, 5e-3), "other": (1e-3, 1e-2)}
"""Step sizes where none is named, from ten times the usual of fine-tuning on: attackers are in a hurry."""


@dataclass(frozen=True, kw_only=True)
class FineTuning(Regaining):
    """An attack that trains on some examples and measures others, which it never sees.

    Adam on the training loss, in eval mode, so that batch-norm statistics stay, once with each step size from the model
    as it was given. All models see the same batches in the same order. The value is the most that came back at any of
    the looks: an attacker tries several step sizes and stops in time. The curve is that of the step size which brought
    it, [step, value].

    Args:
        steps: optimiser steps; 0 leaves the model as it is.
        looks: how often to look on the way, the last step included.
        learning_rates: step sizes to try; empty takes 1e-4 and 1e-3 for language models, 1e-3 and 5e-3 for their
            adapters, and 1e-3 and 1e-2 for classifiers.
        batch_size: examples a step.
        rank: rank of LoRA adapters on all linear layers but a language model's head, which alone are trained; 0 trains
            all weights.
        alpha: scale of the adapters, as alpha / rank.
    """

    steps: int = 20
    looks: int = 4
    learning_rates: tuple[float, ...] = ()
    batch_size: int = 16
    rank: int = 0
    alpha: float = 16.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("steps", 0), ("looks", 1), ("batch_size", 1), ("rank", 0)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} must be at least {least}, not {getattr(self, name)}")

    @abstractmethod
    def lesson(self, problem: Problem, run: Run) -> tuple[Examples, Examples]:
        """Return what the attacker trains on, and the forget examples that are looked at.

        Raises:
            AuditIncomplete: there is nothing to train on, or nothing left to look at.
        """

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the most that came back, with the curve and the step size, and what became of the lesson itself."""
        start, task = time.perf_counter(), problem.task
        lesson, looked_at = self.lesson(problem, run)
        at_hand = self.sample(lesson, run)
        attacked = victim(model, run)
        before, untaught = self.look(attacked, task, looked_at, run), self.look(attacked, task, at_hand, run)
        curves: dict[float, list[tuple[int, Tensor]]] = {}
        taught: dict[float, float] = {}
        rates = self.learning_rates or default_rates(task, self.rank)
        with run.progress.bar(self.title.lower(), self.steps * len(rates)) as bar:
            for rate in rates:
                attacked = victim(model, run)
                curves[rate] = [(0, before)]
                for done in self._train(attacked, task, lesson, rate, run):
                    value = self.look(attacked, task, looked_at, run)
                    if not bool(value.isfinite().all()):
                        break
                    bar.advance(done - curves[rate][-1][0])
                    curves[rate].append((done, value))
                taught[rate] = float(self.look(attacked, task, at_hand, run).mean())
        best = max(curves, key=lambda rate: float(best_of(curves[rate])[1].mean()))
        _, value = best_of(curves[best])
        steps = sum(curve[-1][0] for curve in curves.values())
        cost = {"steps": steps, "examples": len(lesson)}
        after = taught[best] if math.isfinite(taught[best]) else None
        more = {"learning_rate": best, "lesson": [float(untaught.mean()), after]}
        return self.score(value, before, curves[best], start, looked_at, cost, **more)

    def _train(self, model: nn.Module, task: Task, lesson: Examples, rate: float, run: Run) -> Iterator[int]:
        """Train in place, and yield the number of steps done whenever it is time to look; end where it diverges."""
        if self.steps == 0:
            return
        optimizer = torch.optim.Adam(self._moving(model, run), lr=rate)
        looks = {round(self.steps * look / self.looks) for look in range(1, self.looks + 1)}
        for step, batch in enumerate(self._batches(lesson, run), start=1):
            run.interrupt_point()
            loss = task.training_losses(model, task.prepare(batch).to(run.device)).mean()
            if not math.isfinite(loss.item()):
                return
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if step in looks:
                yield step

    def _moving(self, model: nn.Module, run: Run) -> list[nn.Parameter]:
        if self.rank == 0:
            return list(model.parameters())
        targets = sorted(adapters.linear_names(model))
        adapters.inject(model, targets, self.rank, self.alpha, 0.0, run.key("adapters of the attack") % 2**31)
        return list(adapters.adapter_parameters(model))

    def _batches(self, lesson: Examples, run: Run) -> Iterator[Batch]:
        done = epoch = 0
        while True:
            for rows in shuffled(len(lesson), self.batch_size, run.generator("order of the attack", epoch)):
                if done == self.steps:
                    return
                yield lesson.batch(rows)
                done += 1
            epoch += 1


def default_rates(task: Task, rank: int) -> tuple[float, ...]:
    """Return the step sizes to try on such models, with adapters of that rank or, at 0, with all weights."""
    if not isinstance(task, CausalLM):
        return RATES["other"]
    return RATES["language adapters" if rank else "language"]
