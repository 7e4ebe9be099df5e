"""The CIFAR-10 world: a ResNet-20 with its published weights, and real images, from a folder of public data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import InputError
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.splits import random_tenth, split_class

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Block(nn.Module):
    """Two 3×3 convolutions with a shortcut that drops pixels and pads channels with zeros (option A of He et al.)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.stride, self.pad = stride, (outside - inside) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's activation."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(out + x)


class ResNet20(nn.Module):
    """ResNet-20 for 32×32 images, 0.27 million weights.

    Source: He et al. 2016, arXiv:1512.03385, section 4.2.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1), Block(16, 16, 1), Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits, [B, classes]."""
        x = F.relu(self.bn1(self.conv1(pixels)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def data_folder() -> Path | None:
    """Return the folder of public data sets that $LETHE_DATA names, or None where there is none."""
    folder = os.environ.get("LETHE_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None


def published_resnet20(file: Path) -> ResNet20:
    """Return the network with the weights of an `.npz` of its published state dict (`module.conv1.weight` …)."""
    model = ResNet20()
    with np.load(file, allow_pickle=False) as arrays:
        state = {name.removeprefix("module."): torch.from_numpy(arrays[name]) for name in arrays.files}
    missing, unknown = model.load_state_dict(state, strict=False)
    if unknown or any(not name.endswith("num_batches_tracked") for name in missing):
        raise InputError(f"{file}: not the weights of a ResNet-20 (missing {missing[:3]}, unknown {unknown[:3]})")
    return model.eval()


def images(file: Path, part: str) -> Examples:
    """Return the `train` or `test` images of an `.npz`: `image` [N, 3, 32, 32] bytes, `label` [N]."""
    with np.load(file, allow_pickle=False) as arrays:
        pixels = torch.from_numpy(arrays[f"{part}_images"]).permute(0, 3, 1, 2).contiguous()
        labels = torch.from_numpy(arrays[f"{part}_labels"]).long()
    return Examples(tuple(f"{part}-{row:05d}" for row in range(len(labels))), {"image": pixels, "label": labels})


@dataclass(frozen=True)
class Cifar10:
    """Images of CIFAR-10 to be forgotten by the published ResNet-20; there is no gold model of it.

    Args:
        folder: the folder that holds `cifar10/cifar10_small.npz` and `cifar10_resnet/`.
        forget: `class`: one class is forgotten entirely; `random`: a random tenth of the training images.
        forget_class: the class to forget where `forget` is `class`; 3 is the cat.
        train: how many training images stand for the training set, drawn from the seed.
        test: how many test images are held out, drawn from the seed; 2000 are there.
        seed: seed of the draws.
    """

    folder: Path
    forget: Literal["class", "random"] = "class"
    forget_class: int = 3
    train: int = 2000
    test: int = 2000
    seed: int = 0

    def problem(self) -> Problem:
        """Return the problem; where a class is forgotten no holdout example has it."""
        data = self.folder / "cifar10" / "cifar10_small.npz"
        weights = next((self.folder / "cifar10_resnet").glob("*.npz"))
        seen = images(data, "train").sample(self.train, Run(seed=self.seed).generator("cifar10 sample"))
        test = images(data, "test")
        if self.test < len(test):
            test = test.sample(self.test, Run(seed=self.seed).generator("cifar10 test sample"))
        if self.forget == "random":
            forget, retain = random_tenth(seen, self.seed)
        else:
            forget, retain = split_class(seen, self.forget_class)
            test = split_class(test, self.forget_class)[1]
        return Problem(
            model=published_resnet20(weights),
            task=Classification(classes=10, input="image", scale=1 / 255, mean=MEAN, std=STD),
            forget=forget,
            retain=retain,
            holdout=test,
        )
