"""Assembly: inputs become a problem, of images or of text as the model is of one or the other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from torch import nn

from lethe.problem import Problem
from lethe.progress import Progress, Silent
from lethe.sources import image_problem, text_problem
from lethe.sources.inputs import Inputs
from lethe.sources.kinds import kind_of
from lethe.sources.templates import spelled
from lethe.tasks import CausalLM


def assemble(inputs: Inputs, folder: Path | None = None, progress: Progress | None = None) -> Problem:
    """Load the model and the data and return the problem.

    Args:
        inputs: what to load.
        folder: where decoded images go when they are too large for memory; None takes the temporary folder.
        progress: who is shown how far it is.

    Raises:
        InputError: whatever is wrong with a file, in one line.
        ConfigurationError: an option does not fit the model or the data.
    """
    if kind_of(inputs.model) == "language model":
        problem = text_problem.text_problem(inputs)
    else:
        problem = image_problem.image_problem(inputs, folder, progress or Silent())
    return dataclasses.replace(problem, gold=tuple(load_like(problem, path, "--gold") for path in inputs.gold))


def load_like(problem: Problem, source: str, option: str) -> nn.Module:
    """Load a model to set beside the problem's own; raises InputError where it does not fit the same data."""
    if isinstance(problem.task, CausalLM):
        return text_problem.load_alike(problem, problem.task, source, option)
    return image_problem.load_alike(problem, source, option)


def settled(inputs: Inputs, problem: Problem) -> Inputs:
    """Return the inputs with the template that was chosen for the problem, for its record."""
    if isinstance(problem.task, CausalLM):
        return dataclasses.replace(inputs, template=spelled(problem.task.template))
    return inputs
