"""Surrogates: inputs from elsewhere, on which a model is held to what it said before where nothing else may be read."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from lethe.errors import InputError
from lethe.examples import Examples
from lethe.measuring import example_outputs
from lethe.models import read_weights
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification


def surrogates(
    problem: Problem, task: Classification, given: Examples | None, file: str, count: int, run: Run
) -> Examples:
    """Return the surrogates, labelled with what the original takes them for: the given ones, those of a file, or noise.

    Args:
        problem: its model names them; its forget set has the shape they must have.
        task: how the model is fed.
        given: examples with the task's input column.
        file: safetensors file with one tensor, [N, ...], stored as the problem's inputs are.
        count: number of noise inputs, drawn where neither is there: N(0, 1) after the task's normalisation.
        run: seed, and device of the pass.

    Raises:
        InputError: the inputs have another shape than the problem's.
    """
    if given is not None:
        inputs = given.tensor(task.input)
    elif file:
        inputs = _read(Path(file))
    else:
        inputs = noise(task, problem.forget.tensor(task.input).shape[1:], count, run.generator("noise"))
    shape, wanted = tuple(inputs.shape[1:]), tuple(problem.forget.tensor(task.input).shape[1:])
    if shape != wanted or not len(inputs):
        raise InputError(
            f"there are {len(inputs)} surrogates of shape {shape}, but the model takes {wanted}; resize them to that"
        )
    unnamed = Examples.of(prefix="surrogate-", **{task.input: inputs})
    labels = example_outputs(problem.model, task, unnamed, run).argmax(1)
    return unnamed.with_column(task.label, labels)


def noise(task: Classification, shape: tuple[int, ...], count: int, generator: torch.Generator) -> Tensor:
    """Return Gaussian noise that is N(0, 1) for the network, [count, ...], as the task's inputs are stored."""
    drawn = torch.randn(count, *shape, generator=generator)
    if task.mean:
        channels = (1, -1) + (1,) * (len(shape) - 1)
        drawn = drawn * torch.tensor(task.std).view(channels) + torch.tensor(task.mean).view(channels)
    return drawn / task.scale


def _read(file: Path) -> Tensor:
    tensors = list(read_weights(file).values())
    if len(tensors) != 1:
        raise InputError(f"{file}: holds {len(tensors)} tensors; surrogates are one tensor, [N, ...]")
    return tensors[0]
