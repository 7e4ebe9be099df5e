"""A toy world with a bias: the sensitive attribute tells the class nearly as well as what makes the class."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from lethe.examples import Examples
from lethe.measuring import example_outputs
from lethe.methods.baselines.retrain import Retrain
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification

RETRAIN = Retrain(epochs=15, batch_size=64, learning_rate=0.05)
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


class Net(nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(6, 16), nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.head(torch.relu(self.hidden(x)))


def drawn(counts: dict[tuple[int, int], int], seed: int, prefix: str) -> Examples:
    """Examples of (class, attribute): the first input tells the class with much noise, the second the attribute."""
    generator = torch.Generator().manual_seed(seed)
    inputs = []
    for (label, attribute), count in counts.items():
        x = torch.randn(count, 6, generator=generator)
        x[:, 0] = 0.8 * x[:, 0] + 2 * label - 1
        x[:, 1] = 0.5 * x[:, 1] + 2 * attribute - 1
        inputs.append(x)
    labels, attributes = (
        torch.cat([torch.full((count,), corner[place]) for corner, count in counts.items()]) for place in (0, 1)
    )
    return Examples.of(prefix=prefix, input=torch.cat(inputs), label=labels, colour=attributes)


def biased_problem(seed: int = 0) -> Problem:
    """Nine tenths of the minority (class 1, attribute 0) are to be forgotten; the holdout has all four alike."""
    train = drawn({(0, 0): 400, (0, 1): 120, (1, 0): 120, (1, 1): 400}, seed, "train-")
    forget = list(range(520, 628))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Net()
    problem = Problem(
        model=network,
        task=Classification(classes=2),
        forget=train.take(forget),
        retain=train.without(train.ids[i] for i in forget),
        holdout=drawn(dict.fromkeys(CORNERS, 500), seed + 100, "test-"),
    )
    everything = dataclasses.replace(problem, forget=problem.holdout.take([0]), retain=train)
    return dataclasses.replace(problem, model=RETRAIN.unlearn(everything, Run(seed=seed)))


def figures(problem: Problem, model: nn.Module) -> tuple[float, float, float, float]:
    """Holdout accuracy, accuracy on the forgotten group (GA), equalised odds (EO) and forget accuracy, in [0, 1]."""
    holdout, forget = problem.holdout, problem.forget
    assert holdout is not None
    right, right_forget = (
        (example_outputs(model, problem.task, examples, Run()).argmax(1) == examples.tensor("label")).float()
        for examples in (holdout, forget)
    )
    label, attribute = holdout.tensor("label"), holdout.tensor("colour")
    at = {corner: float(right[(label == corner[0]) & (attribute == corner[1])].mean()) for corner in CORNERS}
    odds = (abs(at[0, 0] - at[0, 1]) + abs(at[1, 0] - at[1, 1])) / 2
    return float(right.mean()), at[1, 0], odds, float(right_forget.mean())
