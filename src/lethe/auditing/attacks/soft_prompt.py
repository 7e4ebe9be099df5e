"""Soft prompt: a few vectors before every prompt, trained to bring the answers back."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from lethe.auditing.attacks.prefixed import Prefixing, embeddings, prefixed_outputs
from lethe.auditing.attacks.regained import best_of, victim
from lethe.auditing.metric import Score
from lethe.errors import ConfigurationError
from lethe.examples import shuffled
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import as_causal_lm


@dataclass(frozen=True, kw_only=True)
class SoftPrompt(Prefixing):
    """What comes back of one half of the forget set behind vectors that were trained on the other half.

    min_P Σ L(θ; P, q, a) over `length` embeddings P, by Adam, from the embeddings of random tokens; the weights stay.
    The vectors are too few to hold the answers of the other half, so that what comes back there is the model's own. The
    value is the most at any look.

    Args:
        learning_rate: step size, relative to the root mean square of the embeddings.
        batch_size: examples a step.

    Source: Schwinn et al. 2024, Soft Prompt Threats, arXiv:2402.09063 (embedding attacks on unlearned models); the
    prefix of Lester et al. 2021, arXiv:2104.08691.
    """

    learning_rate: float = 0.3
    batch_size: int = 16

    title: ClassVar[str] = "Soft prompt"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size < 1:
            raise ConfigurationError(f"batch_size must be at least 1, not {self.batch_size}")

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the most that came back, with the curve [step, value]."""
        start, task = time.perf_counter(), as_causal_lm(problem.task, self.title)
        own, other = self.halves(problem, task, run)
        attacked = victim(model, run).requires_grad_(False)
        before = self.look(attacked, task, other, run)
        table = next(embeddings(attacked).parameters()).detach().float()
        drawn = torch.randint(len(table), (self.length,), generator=run.generator("tokens to begin with"))
        prefix = table[drawn.to(table.device)].clone().requires_grad_(True)
        optimizer = torch.optim.Adam([prefix], lr=self.learning_rate * float(table.square().mean().sqrt()))
        curve = [(0, before)]
        with run.progress.bar(self.title.lower(), self.steps) as bar:
            order: list[torch.Tensor] = []
            for step in range(1, self.steps + 1):
                run.interrupt_point()
                order = order or shuffled(len(own), self.batch_size, run.generator("soft prompt order", step))
                batch = task.prepare(own.batch(order.pop(0))).to(run.device)
                loss = task.training_losses_from(prefixed_outputs(attacked, task, batch, prefix), batch).mean()
                if not math.isfinite(loss.item()):
                    break
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if self.look_at(step):
                    curve.append((step, self.after(attacked, task, other, prefix.detach(), run)))
                bar.advance()
        _, value = best_of(curve)
        cost = {"steps": self.steps, "tokens": self.length, "examples": len(own)}
        return self.score(value, before, curve, start, other, cost)
