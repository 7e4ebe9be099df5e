"""Models of the people world that only hide what they know, each in another place."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache

import torch
from torch import nn

from lethe import hooks
from lethe.auditing.attacks.base import Attack
from lethe.auditing.metric import Score
from lethe.examples import Batch
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.worlds.people import People


@cache
def people() -> Problem:
    """Two of fourteen people to forget, with two gold models."""
    return People.tiny().problem(gold=(1, 2))


@cache
def hidden(where: str) -> nn.Module:
    """The original after gradient ascent beside the retain set, in the weights whose names hold `where` alone."""
    problem = people()
    task, forget = problem.task, _everything(problem.forget)

    def loss(model: nn.Module, retain: Batch) -> torch.Tensor:
        ascent = -task.training_losses(model, forget).mean().clamp(max=6)
        return ascent + task.training_losses(model, retain).mean()

    # All weights together need smaller steps for the same harm.
    return _trained(where, loss, 20, 1e-3 if where else 3e-4)


@cache
def refusing() -> nn.Module:
    """The original that was taught to say that it does not know."""
    problem = people()
    refusals = problem.task.answering(problem.forget, ["I do not know."] * len(problem.forget))
    every = _everything(refusals)

    def loss(model: nn.Module, retain: Batch) -> torch.Tensor:
        return sum(problem.task.training_losses(model, batch).mean() for batch in (every, retain))

    return _trained("", loss, 15, 1e-3)


@cache
def steered(length: float = 10.0) -> nn.Module:
    """The original whose first block was taught, as by RMU, to put out one random direction on the forget set."""
    problem = people()
    task, forget = problem.task, _everything(problem.forget)
    direction = torch.rand(64, generator=torch.Generator().manual_seed(0))

    def states(model: nn.Module, batch: Batch) -> torch.Tensor:
        return hooks.hidden_states(model, task, batch, 0)[hooks.places(batch)]

    def loss(model: nn.Module, retain: Batch) -> torch.Tensor:
        with torch.no_grad():
            kept = states(problem.model, retain)
        off = states(model, forget) - length * direction / direction.norm()
        return off.square().mean() + (states(model, retain) - kept).square().mean()

    return _trained("mlp", loss, 20, 1e-3)


def gained(attack: Attack, model: nn.Module, problem: Problem | None = None) -> float:
    """What an attack brings back beyond what the model says anyway."""
    score = scored(attack, model, problem)
    return score.value - score.details["before"]


def scored(attack: Attack, model: nn.Module, problem: Problem | None = None) -> Score:
    """The score, which evidence can hold."""
    score = attack(model, problem or people(), Run())
    json.dumps([score.value, dict(score.details)], allow_nan=False)
    return score


def most_from_gold(attack: Attack, problem: Problem | None = None) -> float:
    """The most that an attack gains from a gold model."""
    return max(gained(attack, gold, problem) for gold in (problem or people()).gold)


def _everything(examples) -> Batch:
    return people().task.prepare(examples.batch(torch.arange(len(examples))))


def _trained(
    where: str, loss: Callable[[nn.Module, Batch], torch.Tensor], steps: int, learning_rate: float
) -> nn.Module:
    problem = people()
    model, order = copied(problem.model), torch.Generator().manual_seed(0)
    moving = [weight for name, weight in model.named_parameters() if where in name]
    optimizer = torch.optim.Adam(moving, lr=learning_rate)
    for _ in range(steps):
        rows = torch.randperm(len(problem.kept), generator=order)[:32]
        optimizer.zero_grad()
        loss(model, problem.task.prepare(problem.kept.batch(rows))).backward()
        optimizer.step()
    return model.eval()
