"""Coloured shapes somewhere in a grey picture: classes are pairs of a colour and a shape, concepts their parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.examples import Examples
from lethe.problem import Problem
from lethe.tasks import Classification
from lethe.worlds.base import Training, World

SIDE, SHAPE = 24, 7
COLOURS, SHAPES = ("red", "green", "blue"), ("square", "cross", "ring")
NAMES = (*COLOURS, *SHAPES, "bright", "framed")
"""What is planted: a colour and a shape make the class, the last two are drawn apart from it."""

PAIRS = ((0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (0, 2))
"""Colour and shape of each class."""

GONE = 3


class ShapesCNN(nn.Module):
    """Two convolutions whose largest responses anywhere are its features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5, padding=2)
        self.conv2 = nn.Conv2d(16, 32, 5, padding=2)
        self.head = nn.Linear(32, 6)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits, [B, 6]."""
        return self.head(F.relu(self.conv2(F.relu(self.conv1(pixels)))).amax((2, 3)))


@dataclass(frozen=True)
class Shapes(World):
    """400 pictures to train on, of which those of class 3 (blue cross) are to be forgotten, and 200 to test on."""

    name: ClassVar[str] = "shapes"
    seed: int = 0

    @property
    def task(self) -> Classification:
        """Six classes."""
        return Classification(classes=6, input="image", scale=1 / 255)

    @property
    def training(self) -> Training:
        """A few seconds."""
        return Training(epochs=25, batch_size=32, learning_rate=3e-3)

    def network(self) -> nn.Module:
        """Return an untrained network."""
        return ShapesCNN()

    @cached_property
    def everything(self) -> Examples:
        """All pictures: `image`, `label`, `shown` [N, 8] and `corner` [N, 2], where the shape is."""
        draw = torch.Generator().manual_seed(self.seed)
        count = 600
        label = torch.randint(len(PAIRS), (count,), generator=draw)
        colour, shape = torch.tensor(PAIRS)[label].T
        bright, framed = torch.randint(2, (2, count), generator=draw)
        corners = torch.randint(1, SIDE - SHAPE - 1, (count, 2), generator=draw)
        images = 0.2 + 0.15 * torch.rand(count, 3, SIDE, SIDE, generator=draw) + 0.15 * bright.view(-1, 1, 1, 1)
        images[framed == 1, 2, 0] = 0.8
        outlines = torch.ones(3, SHAPE, SHAPE)
        outlines[1] = 0
        outlines[1, SHAPE // 2 - 1 : SHAPE // 2 + 2] = outlines[1, :, SHAPE // 2 - 1 : SHAPE // 2 + 2] = 1
        outlines[2, 2:-2, 2:-2] = 0
        for image, c, s, (row, column) in zip(images, colour, shape, corners.tolist(), strict=True):
            part = image[int(c), row : row + SHAPE, column : column + SHAPE]
            part.copy_(torch.where(outlines[int(s)] > 0, 0.9, part))
        flags = [colour == i for i in range(3)] + [shape == i for i in range(3)] + [bright == 1, framed == 1]
        return Examples.of(
            prefix="shape-", image=(255 * images).byte(), label=label, shown=torch.stack(flags, dim=1).long(),
            corner=corners,
        )  # fmt: skip

    def make_sets(self) -> tuple[Examples, Examples, Examples]:
        """Return the pictures of class 3 to forget, the others, and those to test on."""
        train, test = self.everything.take(range(400)), self.everything.take(range(400, 600))
        gone, rest = train.tensor("label") == GONE, test.tensor("label") != GONE
        return (
            train.take(gone.nonzero().flatten()),
            train.take((~gone).nonzero().flatten()),
            test.take(rest.nonzero().flatten()),
        )


def shapes_problem() -> Problem:
    """Return the problem, without gold."""
    return Shapes().problem(gold=())
