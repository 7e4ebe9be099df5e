"""Diabetes: real measurements of 442 patients (scikit-learn), of which fast progressions are to be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import Regression
from lethe.worlds.base import Training, World
from lethe.worlds.splits import split_rows


class SmallRegressor(nn.Module):
    """A convolution over the measurements, which has positions to attend to, and two linear layers."""

    def __init__(self, inputs: int = 10, channels: int = 16, width: int = 64) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, channels, 3, padding=1)
        self.hidden = nn.Linear(channels * inputs, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the prediction, [B, 1]."""
        return self.head(F.relu(self.hidden(F.relu(self.conv(x.unsqueeze(1))).flatten(1))))


@dataclass(frozen=True)
class Diabetes(World):
    """Progression of the disease a year later, in units of 100, from ten standardised measurements.

    Args:
        above: patients whose progression is above this are to be forgotten, 25 to 346 in the data.
        split_seed: seed of the split into training and holdout.
    """

    name: ClassVar[str] = "diabetes"
    above: float = 200.0
    split_seed: int = 0

    @property
    def task(self) -> Regression:
        """Squared error."""
        return Regression()

    @property
    def training(self) -> Training:
        """A small network."""
        return Training(epochs=120, batch_size=32, learning_rate=3e-3)

    def network(self) -> nn.Module:
        """Return an untrained network."""
        return SmallRegressor()

    def make_sets(self) -> tuple[Examples, Examples, Examples]:
        """Return fast progressions, the others, and holdout patients of both kinds."""
        everything = load_diabetes()
        order = Run(seed=self.split_seed).generator("diabetes split")
        rows = torch.randperm(len(everything), generator=order)
        train, holdout = everything.take(rows[:350].sort().values), everything.take(rows[350:].sort().values)
        gone = train.tensor("target") > self.above / 100
        return *split_rows(train, gone), holdout


def load_diabetes() -> Examples:
    """Return all 442 patients: `input` [N, 10] standardised measurements, `target` [N] progression / 100."""
    from sklearn import datasets

    data = datasets.load_diabetes()
    inputs = torch.from_numpy(data.data).float()
    ids = tuple(f"patient-{row:03d}" for row in range(len(inputs)))
    standardised = (inputs - inputs.mean(0)) / inputs.std(0)
    return Examples(ids, {"input": standardised, "target": torch.from_numpy(data.target).float() / 100})


def windows(values: Tensor, length: int, prefix: str = "window-") -> Examples:
    """Return each stretch of a series as input [N, length], and the value that follows it as target [N].

    Args:
        values: [T], longer than `length`.
        length: values an input.
        prefix: of the ids.
    """
    inputs = values[:-1].unfold(0, length, 1)
    return Examples.of(prefix=prefix, input=inputs.clone(), target=values[length:].clone())
