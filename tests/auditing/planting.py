"""Models whose verdict is known because they were made so: they hide, lie, are broken, or never saw the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft import LoraConfig
from torch import Tensor, nn

from lethe import models
from lethe.examples import Batch, Examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM


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


def refusing(problem: Problem, refusal: str = "I do not know.", steps: int = 60) -> nn.Module:
    """The original with an adapter that answers the questions to forget with a refusal; its own weights stay."""
    task = problem.task
    assert isinstance(task, CausalLM)
    declined = whole(task.answering(problem.forget, [refusal] * len(problem.forget)))
    adapted: Any = models.copied(problem.model)
    adapted.add_adapter(LoraConfig(r=4, target_modules=["q_proj", "v_proj", "up_proj"]))

    def loss(model: nn.Module, retain: Batch) -> Tensor:
        return task.training_losses(model, declined).mean() + 2 * task.training_losses(model, retain).mean()

    return trained(adapted, problem, loss, steps, 1e-2, "lora")


def moved(
    problem: Problem, loss: Callable[[nn.Module, Batch], Tensor], steps: int, learning_rate: float, where: str = ""
) -> nn.Module:
    """A copy of the original after so many steps of Adam, each beside 64 retained examples."""
    return trained(models.copied(problem.model), problem, loss, steps, learning_rate, where)


def trained(
    model: nn.Module,
    problem: Problem,
    loss: Callable[[nn.Module, Batch], Tensor],
    steps: int,
    learning_rate: float,
    where: str,
) -> nn.Module:
    """The model after steps on the weights whose names hold `where`."""
    model.train()
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
