"""World: a small problem whose original and gold models are trained here, and cached by content."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import nn

from lethe.examples import Examples, concatenate, shuffled
from lethe.models import is_hugging_face
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Task
from lethe.worlds.cache import cached_model


@dataclass(frozen=True)
class Training:
    """How a world's models are trained: Adam with a cosine schedule.

    Args:
        epochs: passes over the training data.
        batch_size: examples a batch.
        learning_rate: step size at the start.
    """

    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 3e-3


class World(ABC):
    """Data with something to forget, and the models trained on it. Subclasses are frozen dataclasses."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def task(self) -> Task:
        """How the models are fed and read."""

    @property
    @abstractmethod
    def training(self) -> Training:
        """How the models are trained."""

    @abstractmethod
    def network(self) -> nn.Module:
        """Return an untrained network; its weights come from the global generator."""

    @abstractmethod
    def make_sets(self) -> tuple[Examples, Examples, Examples]:
        """Return the forget, retain and holdout set."""

    @cached_property
    def sets(self) -> tuple[Examples, Examples, Examples]:
        """The forget, retain and holdout set."""
        return self.make_sets()

    def train(self, examples: Examples, seed: int) -> nn.Module:
        """Return the network trained from scratch on these examples; cached by content."""
        return self.timed_train(examples, seed)[0]

    def timed_train(self, examples: Examples, seed: int) -> tuple[nn.Module, float]:
        """Return the same network and the seconds its training took, when it was trained."""

        def untrained() -> nn.Module:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return self.network()

        facts = {
            "world": self.name,
            "network": _described(untrained()),
            "data": examples.fingerprint,
            "seed": seed,
            **asdict(self.training),
        }
        return cached_model(facts, untrained, lambda: fit(untrained(), self.task, examples, self.training, seed))

    def original(self, seed: int = 0) -> nn.Module:
        """Return the network trained on everything."""
        forget, retain, _ = self.sets
        return self.train(concatenate(retain, forget), seed)

    def gold(self, seeds: tuple[int, ...] = (1, 2, 3)) -> tuple[nn.Module, ...]:
        """Return networks trained without the forget set, one a seed."""
        return tuple(self.train(self.sets[1], seed) for seed in seeds)

    def problem(self, seed: int = 0, gold: tuple[int, ...] = (1, 2, 3)) -> Problem:
        """Return the problem: original of that seed, gold models of those seeds."""
        forget, retain, holdout = self.sets
        return Problem(
            model=self.original(seed),
            task=self.task,
            forget=forget,
            retain=retain,
            holdout=holdout,
            retrain=self.train,
            gold=self.gold(gold),
        )


def _described(model: nn.Module) -> str:
    # What transformers prints of a model leaves out the sizes of its experts, and its number of heads.
    if not is_hugging_face(model):
        return repr(model)
    config: Any = model.config
    return f"{model!r}{config.to_json_string()}"


def fit(model: nn.Module, task: Task, examples: Examples, recipe: Training, seed: int) -> nn.Module:
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
                task.training_losses(model, task.prepare(examples.batch(rows))).mean().backward()
                optimizer.step()
            scheduler.step()
    return model
