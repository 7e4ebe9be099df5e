"""The MNIST world: a small vision transformer that forgets a digit or a random tenth, on a folder of public data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import nn

from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.base import Training, World
from lethe.worlds.splits import random_tenth, split_class


@dataclass(frozen=True)
class Mnist(World):
    """MNIST (28×28) with something to forget, learnt by a vision transformer of 130 thousand weights.

    Args:
        folder: the folder that holds `mnist/*.npz`.
        forget: `class`: one digit is forgotten entirely; `random`: a random tenth of the training images.
        forget_class: the digit to forget where `forget` is `class`.
        train_count: training images drawn.
        test_count: test images drawn.
        split_seed: seed of the random tenth.
        epochs: passes of training; few images need more than the default.
    """

    name: ClassVar[str] = "mnist"
    folder: Path
    forget: Literal["class", "random"] = "class"
    forget_class: int = 3
    train_count: int = 3000
    test_count: int = 1000
    split_seed: int = 0
    epochs: int = 25

    @property
    def task(self) -> Classification:
        """Ten classes; bytes, with the mean and spread of the training images."""
        return Classification(classes=10, input="image", scale=1 / 255, mean=(0.1307,), std=(0.3081,))

    @property
    def training(self) -> Training:
        """A minute on one core: about 94 % test accuracy, with the defaults."""
        return Training(epochs=self.epochs, batch_size=64, learning_rate=1e-3)

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
        """Draw the images; where a digit is forgotten the holdout has none of it."""
        train, test = self._drawn("train", self.train_count), self._drawn("test", self.test_count)
        if self.forget == "random":
            return *random_tenth(train, self.split_seed), test
        forget, retain = split_class(train, self.forget_class)
        return forget, retain, split_class(test, self.forget_class)[1]

    def _drawn(self, part: str, count: int) -> Examples:
        file = next((self.folder / "mnist").glob("*.npz"))
        with np.load(file, allow_pickle=False) as arrays:
            pixels = torch.from_numpy(arrays[f"{part}_images"]).unsqueeze(1)
            labels = torch.from_numpy(arrays[f"{part}_labels"]).long()
        everything = Examples.of(prefix=f"{part}-", image=pixels, label=labels)
        return everything.sample(count, Run().generator("mnist", part))
