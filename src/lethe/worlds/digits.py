"""The digits world: scikit-learn's real handwritten digits, a small network, and a forget set with signal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.examples import Examples, concatenate, shuffled
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.cache import cached_model

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


@dataclass(frozen=True)
class Training:
    """How the world's models are trained: Adam with a cosine schedule.

    Args:
        epochs: passes over the training data.
        batch_size: examples a batch.
        learning_rate: step size at the start.
    """

    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 3e-3


TRAININGS: dict[Architecture, Training] = {
    "cnn": Training(epochs=60),
    "vit": Training(epochs=40),
    "resnet": Training(epochs=30),
}


@dataclass(frozen=True)
class Digits:
    """Real handwritten digits (1,797 images of 8×8) with something to forget.

    Args:
        forget: `mislabelled`: a tenth of the training images carries a wrong label, which the original memorises;
            `class`: one digit is forgotten entirely; `random`: a random tenth (little signal: most
            metrics have no power).
        architecture: `cnn`, or a tiny `vit` or `resnet` of transformers.
        forget_class: the digit to forget where `forget` is `class`.
        split_seed: seed of the split and of the wrong labels; the models' seeds are apart from it.
    """

    forget: Forget = "mislabelled"
    architecture: Architecture = "cnn"
    forget_class: int = 3
    split_seed: int = 0

    @property
    def task(self) -> Classification:
        """Ten classes; pixels are stored as 0 … 16."""
        return Classification(classes=10, input="image", scale=1 / 16, mean=(0.305,), std=(0.376,))

    @cached_property
    def _sets(self) -> tuple[Examples, Examples, Examples]:
        everything = load_digits()
        order = Run(seed=self.split_seed).generator("digits split")
        rows = torch.randperm(len(everything), generator=order)
        train, holdout = everything.take(rows[:1297].sort().values), everything.take(rows[1297:].sort().values)
        labels = train.tensor("label")
        if self.forget == "class":
            gone = labels == self.forget_class
            holdout = holdout.take((holdout.tensor("label") != self.forget_class).nonzero().flatten())
        else:
            chosen = torch.randperm(len(train), generator=order)[: len(train) // 10]
            gone = torch.zeros(len(train), dtype=torch.bool).index_fill(0, chosen, True)
            if self.forget == "mislabelled":
                shift = torch.randint(1, 10, labels.shape, generator=order)
                train = train.with_column("label", torch.where(gone, (labels + shift) % 10, labels))
        return train.take(gone.nonzero().flatten()), train.take((~gone).nonzero().flatten()), holdout

    def train(self, examples: Examples, seed: int) -> nn.Module:
        """Return the network trained from scratch on these examples; cached by content."""
        recipe = TRAININGS[self.architecture]
        facts = {
            "world": "digits", "architecture": self.architecture, "data": examples.fingerprint, "seed": seed,
            "epochs": recipe.epochs, "batch_size": recipe.batch_size, "learning_rate": recipe.learning_rate,
        }  # fmt: skip

        def untrained() -> nn.Module:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return network(self.architecture)

        return cached_model(facts, untrained, lambda: fit(untrained(), self.task, examples, recipe, seed))

    def original(self, seed: int = 0) -> nn.Module:
        """Return the network trained on everything."""
        forget, retain, _ = self._sets
        return self.train(concatenate(retain, forget), seed)

    def gold(self, seeds: tuple[int, ...] = (1, 2, 3)) -> tuple[nn.Module, ...]:
        """Return networks trained without the forget set, one a seed."""
        return tuple(self.train(self._sets[1], seed) for seed in seeds)

    def problem(self, seed: int = 0, gold: tuple[int, ...] = (1, 2, 3)) -> Problem:
        """Return the problem: original of that seed, gold models of those seeds."""
        forget, retain, holdout = self._sets
        return Problem(
            model=self.original(seed), task=self.task, forget=forget, retain=retain, holdout=holdout,
            retrain=self.train, gold=self.gold(gold),
        )  # fmt: skip


def load_digits() -> Examples:
    """Return all 1,797 digits: `image` [N, 1, 8, 8] bytes 0 … 16, `label` [N]."""
    from sklearn import datasets

    data = datasets.load_digits()
    images = torch.from_numpy(data.images).to(torch.uint8).unsqueeze(1)
    ids = tuple(f"digit-{row:04d}" for row in range(len(images)))
    return Examples(ids, {"image": images, "label": torch.from_numpy(data.target).long()})


def fit(model: nn.Module, task: Classification, examples: Examples, recipe: Training, seed: int) -> nn.Module:
    """Train the model in place with Adam and a cosine schedule, and return it."""
    run = Run(seed=seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for epoch in range(recipe.epochs):
            for rows in shuffled(len(examples), recipe.batch_size, run.generator("order", epoch)):
                optimizer.zero_grad(set_to_none=True)
                task.losses(model, examples.batch(rows)).mean().backward()
                optimizer.step()
            scheduler.step()
    return model
