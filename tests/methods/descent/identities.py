"""Invented faces: people whose attribute a model can only learn by their face, some of whom ask to be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.examples import Examples
from lethe.tasks import Classification
from lethe.worlds.base import Training, World

SIDE, SHOTS, CLASSES = 8, 6, 4
PEOPLE = {"train": 40, "unseen": 20, "test": 20}
FORGOTTEN = 4


class FaceNet(nn.Module):
    """Three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(SIDE * SIDE, 64)
        self.second = nn.Linear(64, 32)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits, [B, 4]."""
        return self.head(F.relu(self.second(F.relu(self.first(pixels.flatten(1))))))


@dataclass(frozen=True)
class Identities(World):
    """80 people with six images each; of four whom the model was trained on, one image was left out of training."""

    name: ClassVar[str] = "identities"
    seed: int = 0

    @property
    def task(self) -> Classification:
        """Four values of an attribute."""
        return Classification(classes=CLASSES, input="image")

    @property
    def training(self) -> Training:
        """Until the training images are known by heart."""
        return Training(epochs=6, batch_size=32, learning_rate=3e-3)

    def network(self) -> nn.Module:
        """Return an untrained network."""
        return FaceNet()

    @cached_property
    def parts(self) -> dict[str, Examples]:
        """`train`, `unseen` and `test` by identity; of train the `support`, `forget` and `retain` images."""
        draw = torch.Generator().manual_seed(self.seed)
        people = sum(PEOPLE.values())
        own, shown = torch.randn(people, SIDE, SIDE, generator=draw), torch.randn(CLASSES, SIDE, SIDE, generator=draw)
        # What a face shows is the attribute of half of all people; that of the others is learnt with their face.
        pattern = torch.randint(CLASSES, (people,), generator=draw)
        other = (pattern + torch.randint(1, CLASSES, (people,), generator=draw)) % CLASSES
        label = torch.where(torch.rand(people, generator=draw) < 0.35, other, pattern)
        who = torch.arange(people).repeat_interleave(SHOTS)
        noise = torch.randn(len(who), SIDE, SIDE, generator=draw)
        images = own[who] + 0.7 * shown[pattern[who]] + 0.7 * noise
        every = Examples.of(prefix="face-", image=images, label=label[who], person=who)
        first, sets = 0, {}
        for name, count in PEOPLE.items():
            sets[name] = every.take(((who >= first) & (who < first + count)).nonzero().flatten())
            first += count
        train = sets["train"]
        # Those to forget are of the kind that only their face tells.
        odd = [i for i in range(PEOPLE["train"]) if label[i] != pattern[i]][:FORGOTTEN]
        mine = torch.isin(train.tensor("person"), torch.tensor(odd))
        support = mine & (torch.arange(len(train)) % SHOTS == 0)
        for name, rows in (("support", support), ("forget", mine & ~support), ("retain", ~mine), ("train", ~support)):
            sets[name] = train.take(rows.nonzero().flatten())
        return sets

    def make_sets(self) -> tuple[Examples, Examples, Examples]:
        """Return the forget and retain images, and those of unseen people."""
        return self.parts["forget"], self.parts["retain"], self.parts["unseen"]
