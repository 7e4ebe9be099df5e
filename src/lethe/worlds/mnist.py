"""The MNIST world: a small vision transformer that forgets a digit, on images from a folder of public data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.base import Training, World


@dataclass(frozen=True)
class Mnist(World):
    """MNIST (28×28) with one digit to forget, learnt by a vision transformer of 130 thousand weights.

    Args:
        folder: the folder that holds `mnist/*.npz`.
        forget_class: the digit to forget.
        train_count: training images drawn.
        test_count: test images drawn.
    """

    name: ClassVar[str] = "mnist"
    folder: Path
    forget_class: int = 3
    train_count: int = 3000
    test_count: int = 1000

    @property
    def task(self) -> Classification:
        """Ten classes; bytes, with the mean and spread of the training images."""
        return Classification(classes=10, input="image", scale=1 / 255, mean=(0.1307,), std=(0.3081,))

    @property
    def training(self) -> Training:
        """A minute on one core: about 94 % test accuracy."""
        return Training(epochs=25, batch_size=64, learning_rate=1e-3)

    def network(self) -> nn.Module:
        """Return an untrained ViT with patches of 7×7."""
        from transformers import ViTConfig, ViTForImageClassification

        return ViTForImageClassification(
            ViTConfig(
                image_size=28,
                patch_size=7,
                num_channels=1,
                hidden_size=64,
                num_hidden_layers=3,
                num_attention_heads=4,
                intermediate_size=128,
                num_labels=10,
            )
        )

    def make_sets(self) -> tuple[Examples, Examples, Examples]:
        """Draw the images; the holdout has none of the digit to forget."""
        train, test = self._drawn("train", self.train_count), self._drawn("test", self.test_count)
        gone = train.tensor("label") == self.forget_class
        rest = test.tensor("label") != self.forget_class
        return (
            train.take(gone.nonzero().flatten()),
            train.take((~gone).nonzero().flatten()),
            test.take(rest.nonzero().flatten()),
        )

    def _drawn(self, part: str, count: int) -> Examples:
        file = next((self.folder / "mnist").glob("*.npz"))
        with np.load(file, allow_pickle=False) as arrays:
            pixels = torch.from_numpy(arrays[f"{part}_images"]).unsqueeze(1)
            labels = torch.from_numpy(arrays[f"{part}_labels"]).long()
        everything = Examples.of(prefix=f"{part}-", image=pixels, label=labels)
        return everything.sample(count, Run().generator("mnist", part))
