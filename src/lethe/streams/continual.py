"""Continual learning, followed: what a learner knew of each lesson after each lesson, and what it forgot on the way."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.auditing.class_bias import ClassBias, class_bias
from lethe.errors import InputError
from lethe.examples import Examples
from lethe.measuring import example_outputs
from lethe.methods.streaming.uer import UerService
from lethe.run import Run


@dataclass(frozen=True, eq=False)
class Continual:
    """A stream of lessons as it was learnt.

    Attributes:
        accuracies: [T, T] a_ij, the accuracy on lesson j after lesson i over the classes met by then; NaN for j > i.
        bias: how the model after the last lesson treats the classes of that lesson.
    """

    accuracies: Tensor
    bias: ClassBias

    @property
    def average_end(self) -> float:
        """A_T = 1/T Σ_j a_Tj: the accuracy on all lessons after the last."""
        return float(self.accuracies[-1].mean())

    @property
    def forgetting(self) -> float:
        """F = 1/T Σ_j (max_i a_ij - a_Tj): what was lost of the best there was."""
        best = self.accuracies.nan_to_num(0.0).amax(0)
        return float((best - self.accuracies[-1]).mean())

    @property
    def anytime(self) -> float:
        """The mean over i of the accuracy on the lessons up to i, after lesson i."""
        return float(self.accuracies.nanmean(1).mean())


def followed(service: UerService, examples: Examples, run: Run | None = None) -> Continual:
    """Return what the learner knew after each lesson.

    Args:
        service: what learnt the lessons, two or more.
        examples: unseen examples of every lesson's classes.
        run: device and progress; None takes the CPU.

    Raises:
        InputError: there is one lesson only, or none of the examples belongs to one of them.
    """
    run, task, lessons = run or Run(), service.task, service.lessons
    task.check(examples, "examples")
    if len(lessons) < 2:
        raise InputError("there is one lesson only, and nothing to follow; set fewer classes_per_lesson")
    labels = examples.tensor(task.label).long()
    parts = [torch.isin(labels, torch.tensor(lesson.classes)) for lesson in lessons]
    for lesson, part in zip(lessons, parts, strict=True):
        if not bool(part.any()):
            raise InputError(f"no example is of the classes {list(lesson.classes)}; give some of every lesson")
    met = torch.zeros(task.classes, dtype=torch.bool)
    accuracies = torch.full((len(lessons), len(lessons)), torch.nan, dtype=torch.float64)
    for i, lesson in enumerate(lessons):
        met[list(lesson.classes)] = True
        outputs = example_outputs(service.after(i).to(run.device), task, examples, run)
        right = outputs.masked_fill(~met, -torch.inf).argmax(1) == labels
        for j in range(i + 1):
            accuracies[i, j] = right[parts[j]].double().mean()
    last = class_bias(service.model().to(run.device), task, examples, lessons[-1].classes, run)
    return Continual(accuracies, last)
