"""Small things several tests need."""

from __future__ import annotations

import torch
from torch import nn

from lethe.examples import Examples
from lethe.measuring import example_outputs
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification


def accuracy(problem: Problem, model: nn.Module, examples: Examples | None) -> float:
    """Share of the examples the model gets right."""
    assert examples is not None
    outputs = example_outputs(model, problem.task, examples, Run())
    return float((outputs.argmax(1) == examples.tensor("label")).float().mean())


def accuracies(problem: Problem, model: nn.Module) -> tuple[float, float, float]:
    """Forget, retain and test accuracy."""
    return (
        accuracy(problem, model, problem.forget),
        accuracy(problem, model, problem.retain),
        accuracy(problem, model, problem.holdout),
    )


def gap_to_gold(problem: Problem, model: nn.Module) -> float:
    """Mean distance of forget, retain and test accuracy to the gold models' means."""
    golds = [accuracies(problem, gold) for gold in problem.gold]
    means = [sum(values) / len(values) for values in zip(*golds, strict=True)]
    return sum(abs(a - b) for a, b in zip(accuracies(problem, model), means, strict=True)) / 3


class Tiny(nn.Module):
    """Two layers with a batch norm between: every kind of weight and buffer in 100 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.head(torch.relu(self.norm(self.first(x))))


def tiny_problem(forget: int = 12, retain: int = 40) -> Problem:
    """Return an untrained problem that takes no time at all."""
    generator = torch.Generator().manual_seed(0)
    count = forget + retain + 20
    examples = Examples(
        tuple(f"e{i}" for i in range(count)),
        {
            "input": torch.randn(count, 4, generator=generator),
            "label": torch.randint(0, 3, (count,), generator=generator),
        },
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Tiny().eval()
    return Problem(
        model=model,
        task=Classification(classes=3),
        forget=examples.take(range(forget)),
        retain=examples.take(range(forget, forget + retain)),
        holdout=examples.take(range(forget + retain, count)),
    )
