"""The digits world: scikit-learn's real handwritten digits, a small network, and a forget set with signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.base import Training, World
from lethe.worlds.splits import split_class, split_rows

Forget = Literal["mislabelled", "class", "random"]
Architecture = Literal["cnn", "vit", "resnet"]


class DigitsCNN(nn.Module):
    """Two convolutions and two linear layers for 8×8 images, 72 thousand weights."""

    def __init__(self, channels: int = 16, width: int = 128, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.hidden = nn.Linear(2 * channels * 4 * 4, width)
        self.head = nn.Linear(width, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits, [B, classes]."""
        x = F.relu(self.conv1(pixels))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.head(F.relu(self.hidden(x.flatten(1))))


def network(architecture: Architecture) -> nn.Module:
    """Return an untrained network for the digits; its weights come from the global generator."""
    if architecture == "cnn":
        return DigitsCNN()
    if architecture == "vit":
        from transformers import ViTConfig, ViTForImageClassification

        return ViTForImageClassification(
            ViTConfig(
                image_size=8, patch_size=2, num_channels=1, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=64, num_labels=10, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            )
        )  # fmt: skip
    from transformers import ResNetConfig, ResNetForImageClassification

    return ResNetForImageClassification(
        ResNetConfig(
            num_channels=1, embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", num_labels=10,
        )
    )  # fmt: skip


TRAININGS: dict[Architecture, Training] = {
    "cnn": Training(epochs=60),
    "vit": Training(epochs=40),
    "resnet": Training(epochs=30),
}


@dataclass(frozen=True)
class Digits(World):
    """Real handwritten digits (1,797 images of 8×8) with something to forget.

    Args:
        forget: `mislabelled`: a tenth of the training images carries a wrong label, which the original memorises;
            `class`: one digit is forgotten entirely; `random`: a random tenth (little signal: most
            metrics have no power).
        architecture: `cnn`, or a tiny `vit` or `resnet` of transformers.
        forget_class: the digit to forget where `forget` is `class`.
        split_seed: seed of the split and of the wrong labels; the models' seeds are apart from it.
    """

    name: ClassVar[str] = "digits"
    forget: Forget = "mislabelled"
    architecture: Architecture = "cnn"
    forget_class: int = 3
    split_seed: int = 0

    @property
    def task(self) -> Classification:
        """Ten classes; pixels are stored as 0 … 16."""
        return Classification(classes=10, input="image", scale=1 / 16, mean=(0.305,), std=(0.376,))

    @property
    def training(self) -> Training:
        """The recipe of the architecture."""
        return TRAININGS[self.architecture]

    def network(self) -> nn.Module:
        """Return an untrained network of the architecture."""
        return network(self.architecture)

    def make_sets(self) -> tuple[Examples, Examples, Examples]:
        """Split the digits, and mislabel or set aside what is to be forgotten."""
        everything = load_digits()
        order = Run(seed=self.split_seed).generator("digits split")
        rows = torch.randperm(len(everything), generator=order)
        train, holdout = everything.take(rows[:1297].sort().values), everything.take(rows[1297:].sort().values)
        labels = train.tensor("label")
        if self.forget == "class":
            gone = labels == self.forget_class
            holdout = split_class(holdout, self.forget_class)[1]
        else:
            chosen = torch.randperm(len(train), generator=order)[: len(train) // 10]
            gone = torch.zeros(len(train), dtype=torch.bool).index_fill(0, chosen, True)
            if self.forget == "mislabelled":
                shift = torch.randint(1, 10, labels.shape, generator=order)
                train = train.with_column("label", torch.where(gone, (labels + shift) % 10, labels))
        return *split_rows(train, gone), holdout


def load_digits() -> Examples:
    """Return all 1,797 digits: `image` [N, 1, 8, 8] bytes 0 … 16, `label` [N]."""
    from sklearn import datasets

    data = datasets.load_digits()
    images = torch.from_numpy(data.images).to(torch.uint8).unsqueeze(1)
    ids = tuple(f"digit-{row:04d}" for row in range(len(images)))
    return Examples(ids, {"image": images, "label": torch.from_numpy(data.target).long()})
