"""A tiny language model that knows its people by heart, and what tests read off it."""

from __future__ import annotations

import copy
from dataclasses import asdict
from functools import cache

import torch
from torch import nn

from lethe import feeds
from lethe.descent import Descent
from lethe.examples import Examples, concatenate
from lethe.feeds import Draw
from lethe.measuring import evaluation
from lethe.problem import Problem
from lethe.run import Run
from lethe.testing.language import tiny_language_sets, tiny_language_task, tiny_llama
from lethe.worlds.base import Training, fit
from lethe.worlds.cache import cached_model

BY_HEART = Training(epochs=100, batch_size=11, learning_rate=5e-3)


def well_known_problem() -> Problem:
    """Return the tiny language problem with an original that was trained until it knew every answer by heart."""
    return copy.deepcopy(_well_known())


def nll(problem: Problem, model: nn.Module, examples: Examples) -> float:
    """Mean of -log p over all answer tokens of the examples."""
    with evaluation(model):
        batch = problem.task.prepare(examples.batch(torch.arange(len(examples))))
        return float(problem.task.training_losses(model, batch).mean())


def draw_of(problem: Problem, method: Descent, epoch: int = 0) -> Draw:
    """Return the draw of all forget and retain examples, with what the method puts beside them."""
    rows = torch.arange(len(problem.forget)), torch.arange(len(problem.kept))
    drawn = feeds.draw(problem, rows, epoch, 0, torch.device("cpu"))
    others = {
        name: problem.task.prepare(examples.batch(rows[0]))
        for name, examples in method.substitutes(problem, Run(), epoch).items()
    }
    return Draw(drawn.forget, drawn.retain, epoch, 0, substitutes=others)


def gradient(model: nn.Module, value: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a scalar in all weights, as one vector."""
    found = torch.autograd.grad(value, list(model.parameters()), materialize_grads=True)
    return torch.cat([g.flatten() for g in found])


def shaken(model: nn.Module, size: float = 0.02) -> nn.Module:
    """Return a copy of the model with noise on its weights: somewhere else than the original."""
    moved, random = copy.deepcopy(model), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in moved.parameters():
            p.add_(size * torch.randn(p.shape, generator=random))
    return moved


@cache
def _well_known() -> Problem:
    task = tiny_language_task()
    forget, retain, holdout = tiny_language_sets(task)
    known = concatenate(retain, forget)
    recipe = {"world": "tiny language", "data": known.fingerprint, "training": asdict(BY_HEART)}

    def untrained() -> nn.Module:
        return tiny_llama(len(task.tokenizer), 0)

    model, _ = cached_model(recipe, untrained, lambda: fit(untrained(), task, known, BY_HEART, 0))
    return Problem(model=model, task=task, forget=forget, retain=retain, holdout=holdout)
