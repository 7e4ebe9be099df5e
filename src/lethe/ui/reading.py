"""Reading: what one model makes of the shown examples, measured once, whatever kind of model it is."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Classification
from lethe.ui import classifier_reading, text_reading
from lethe.ui.readings import Reading

CLASSIFIER, LANGUAGE = "classifier", "language model"

__all__ = ["CLASSIFIER", "LANGUAGE", "Reading", "kind_of", "read"]


def kind_of(problem: Problem) -> str:
    """Return what kind of model it is; raises ConfigurationError where the comparator cannot show such."""
    if isinstance(problem.task, Classification):
        return CLASSIFIER
    if isinstance(problem.task, CausalLM):
        return LANGUAGE
    raise ConfigurationError(f"the comparator shows classifiers and language models, not {type(problem.task).__name__}")


def read(
    model: nn.Module, problem: Problem, sets: Mapping[str, Examples], compared: Mapping[str, Examples], run: Run
) -> Reading:
    """Measure the model on the shown examples.

    Args:
        model: on the run's device.
        problem: whose task says how it is fed.
        sets: the shown examples.
        compared: those of them that the layers of classifiers are compared on.
        run: device and progress.

    Raises:
        InputError: an output is not finite.
        ConfigurationError: the comparator cannot show such models.
    """
    kind_of(problem)
    if isinstance(problem.task, Classification):
        return classifier_reading.read(model, problem.task, sets, compared, run)
    assert isinstance(problem.task, CausalLM)
    return text_reading.read(model, problem.task, sets, run)
