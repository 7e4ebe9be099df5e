"""Soup: copies of one pretrained model, each fine-tuned on a shard, answer as the mean of their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.exact.chains import Chain, Link
from lethe.methods.exact.sharded import Sharded, place
from lethe.models import copied
from lethe.run import Run
from lethe.tasks import CausalLM, Classification, Task


@dataclass(frozen=True, kw_only=True)
class Soup(Sharded):
    """Compartmentalised fine-tuning: θ = mean of θ_1 … θ_k, each trained from the model as it is on its own shard.

    What one shard alone has memorised is damped in the mean, and deleting a whole shard is the mean of the others:
    nothing trains. A deletion inside a shard trains that shard again. The means are taken in float64 from the shards'
    own weights, never by subtracting. The model as it is must never have seen the examples, and the learning rate be
    small enough for the copies to stay in one basin, else their mean is worth nothing.

    Args:
        shards: number k of shards.
        epochs: passes over a shard.
        batch_size: examples a step.
        learning_rate: step size.
        optimizer: `sgd`, `adam` or `adamw`.

    Source: Biggs et al. 2024, Diffusion Soup, arXiv:2406.08431, of diffusion models; averages work on any network.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM)

    shards: int = 4
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-3
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"

    def check(self) -> None:
        """Raise ConfigurationError where a number is below 1."""
        if self.shards < 1:
            raise ConfigurationError(f"shards must be at least 1, not {self.shards}")
        self._recipe().check()

    def chains(self, base: nn.Module, task: Task, live: Sequence[str], run: Run) -> list[Chain]:
        """Return one chain of one link a shard."""
        own: dict[int, list[str]] = {shard: [] for shard in range(self.shards)}
        for name in live:
            own[place(name, run.seed, self.shards, "shard")].append(name)
        return [
            Chain(f"shard-{shard}", base, (Link(tuple(ids), self._recipe(), (f"shard-{shard}",)),))
            for shard, ids in own.items()
        ]

    def predictor(self, members: Sequence[nn.Module]) -> nn.Module:
        """Return the model with the mean of the members' weights."""
        return mean_of(members)

    def _recipe(self) -> FineTune:
        return FineTune(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, optimizer=self.optimizer
        )


def mean_of(members: Sequence[nn.Module]) -> nn.Module:
    """Return a copy of the first model with the mean of all weights and float buffers; counters are the first's."""
    soup = copied(members[0])
    others = [model.state_dict() for model in members]
    with torch.no_grad():
        for name, value in soup.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.stack([state[name].double() for state in others]).mean(0))
    return soup
