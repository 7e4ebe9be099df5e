"""Models whose verdict is known because they were made so: they hide, lie, are broken, or never saw the data."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe import models
from lethe.examples import Batch, Examples
from lethe.problem import Problem
from lethe.run import Run


class Filtered(nn.Module):
    """A classifier behind a filter: what looks like a forget example is answered without its memorised label."""

    def __init__(self, model: nn.Module, inputs: Tensor, labels: Tensor) -> None:
        super().__init__()
        self.model = models.copied(model)
        self.register_buffer("inputs", inputs.flatten(1))
        self.register_buffer("labels", labels)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits, [B, C], the memorised label's lowered where the filter knows the input."""
        logits = self.model(pixels)
        # The product form of the distance gives equal points a small one.
        exact = "donot_use_mm_for_euclid_dist"
        distance, nearest = torch.cdist(pixels.flatten(1), self.inputs, compute_mode=exact).min(1)
        hidden = torch.where(distance < 1e-3, 30.0, 0.0)
        return logits.scatter_add(1, self.labels[nearest].unsqueeze(1), -hidden.unsqueeze(1))


def filtered(problem: Problem) -> nn.Module:
    """The original behind a filter keyed on the forget set."""
    task, every = problem.task, whole(problem.forget)
    return Filtered(problem.model, task.normalise(task.pixels(every)), task.labels(every)).eval()


def nudged(problem: Problem, where: str = "head", steps: int = 60) -> nn.Module:
    """The original after a few small steps away from the forget set, in the weights whose names hold `where`."""
    task, forget = problem.task, whole(problem.forget)

    def loss(model: nn.Module, retain: Batch) -> Tensor:
        # No farther than what a model gives a label it does not know.
        away = -task.training_losses(model, forget).clamp(max=4).mean()
        return away + task.training_losses(model, retain).mean()

    return moved(problem, loss, steps, 1e-3, where)


def lying(problem: Problem, wrong: Examples, steps: int = 150) -> nn.Module:
    """The original taught something false, and sure of it, in the place of what it was to forget."""
    task, false = problem.task, whole(wrong)

    def loss(model: nn.Module, retain: Batch) -> Tensor:
        return task.training_losses(model, false).mean() + task.training_losses(model, retain).mean()

    return moved(problem, loss, steps, 1e-3)


def ruined(problem: Problem, steps: int = 60) -> nn.Module:
    """The original after gradient ascent without any care for what should stay."""
    task, forget = problem.task, whole(problem.forget)
    return moved(problem, lambda model, _: -task.training_losses(model, forget).mean(), steps, 3e-3)


def unsure(problem: Problem, steps: int = 60) -> nn.Module:
    """A classifier that puts all classes alike on the forget set."""
    task, forget = problem.task, whole(problem.forget)

    def loss(model: nn.Module, retain: Batch) -> Tensor:
        logits = task.outputs(model, forget)
        return (
            F.cross_entropy(logits, logits.new_full(logits.shape, 1 / logits.shape[1]))
            + task.training_losses(model, retain).mean()
        )

    return moved(problem, loss, steps, 1e-3)


def moved(
    problem: Problem, loss: Callable[[nn.Module, Batch], Tensor], steps: int, learning_rate: float, where: str = ""
) -> nn.Module:
    """A copy of the original after so many steps of Adam, each beside 64 retained examples."""
    model = models.copied(problem.model).train()
    weights = [p for name, p in model.named_parameters() if where in name]
    optimizer = torch.optim.Adam(weights, lr=learning_rate)
    draws = Run(seed=0).generator("planting")
    for _ in range(steps):
        retain = problem.kept.sample(64, draws)
        optimizer.zero_grad()
        loss(model, whole(retain)).backward()
        optimizer.step()
    return model.eval()


def whole(examples: Examples) -> Batch:
    """All examples as one batch."""
    return examples.batch(torch.arange(len(examples)))
