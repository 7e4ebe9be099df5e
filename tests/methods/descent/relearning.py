"""What tests of robust unlearning share: unlearn to a given forget loss, attack by training, and see what came back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from lethe.api import unlearn
from lethe.measuring import example_losses
from lethe.methods.base import Method
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run


def losses_of(problem: Problem, model: nn.Module) -> tuple[float, float]:
    """Return the mean forget and retain loss."""
    sets = (problem.forget, problem.retain)
    forget, retain = (float(example_losses(model, problem.task, e, Run()).mean()) for e in sets)
    return forget, retain


@dataclass
class Unlearned:
    """A model as it was when its forget loss first reached a target."""

    model: nn.Module
    forget: float
    retain: float


def unlearned_to(problem: Problem, method: Method, target: float, seed: int) -> Unlearned:
    """Run the method and return the model as it was when its mean forget loss first reached the target."""
    found: list[Unlearned] = []

    def watch(model: nn.Module) -> dict[str, float]:
        forget, retain = losses_of(problem, model)
        if forget >= target and not found:
            found.append(Unlearned(copied(model), forget, retain))
        return {"forget": forget}

    unlearn(problem, method, seed=seed, watch=watch, watch_every=1)
    return found[0]


def relearned(problem: Problem, model: nn.Module, steps: int, rate: float) -> nn.Module:
    """Return a copy of the model trained by AdamW on the forget set, all of it in each step."""
    attacked = copied(model).requires_grad_(True)
    batch = problem.task.prepare(problem.forget.batch(torch.arange(len(problem.forget))))
    optimizer = torch.optim.AdamW(attacked.parameters(), lr=rate, weight_decay=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        problem.task.training_losses(attacked, batch).mean().backward()
        optimizer.step()
    return attacked


def recovered(problem: Problem, unlearned: Unlearned, steps: int, rate: float) -> float:
    """Return the share of what was unlearned that the attack brings back: 0 nothing, 1 the original's forget loss."""
    original, _ = losses_of(problem, problem.model)
    after, _ = losses_of(problem, relearned(problem, unlearned.model, steps, rate))
    return (unlearned.forget - after) / (unlearned.forget - original)


def within_budget(problem: Problem, method: Method, budget: float, seed: int) -> Unlearned:
    """Run the method and return the last of its models whose mean retain loss rose by the budget at most."""
    limit = losses_of(problem, problem.model)[1] + budget
    found = [Unlearned(problem.model, *losses_of(problem, problem.model))]

    def watch(model: nn.Module) -> dict[str, float]:
        forget, retain = losses_of(problem, model)
        if retain <= limit:
            found[0] = Unlearned(copied(model), forget, retain)
        return {"forget": forget}

    unlearn(problem, method, seed=seed, watch=watch, watch_every=1)
    return found[0]
