"""SISA: one model a shard of the data, trained slice by slice, so that a deletion retrains the end of one shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from lethe.ensemble import Ensemble, Vote
from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.exact.chains import Chain, Link
from lethe.methods.exact.sharded import Sharded, place
from lethe.run import Run
from lethe.tasks import Classification, Task


@dataclass(frozen=True, kw_only=True)
class Sisa(Sharded):
    """SISA training (sharded, isolated, sliced, aggregated): a deletion retrains the touched shard from its slice on.

    Every example has a shard and a slice in it, drawn from its id. The model of a shard learns slice 1, then slices 1
    and 2 from the weights after that, and so on to R; the shards' models vote. Deleting an example of slice r begins
    again with the weights after slice r - 1. Each of the R stages runs 2e/(R + 1) epochs, which makes the work of
    a shard that of e epochs over all of it. What predicts afterwards is, bit for bit, what training without the
    deleted examples gives.

    Args:
        shards: number S of shards; a deletion costs 1/S of retraining, and each model sees 1/S of the data.
        slices: number R of slices a shard.
        epochs: passes e over a shard.
        batch_size: examples a step.
        learning_rate: step size.
        schedule: of the learning rate in each stage.
        start: `fresh` draws new weights for each shard; `given` begins with the model as it is, which must never have
            seen the examples.
        vote: `mean` of the probabilities, or `majority`.

    Source: Bourtoule et al. 2021, Machine Unlearning, arXiv:1912.03817, section V.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)

    shards: int = 5
    slices: int = 1
    epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 0.05
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    start: Literal["fresh", "given"] = "fresh"
    vote: Vote = "mean"

    def check(self) -> None:
        """Raise ConfigurationError where a number is below 1."""
        for name in ("shards", "slices"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        self._recipe().check()

    def chains(self, base: nn.Module, task: Task, live: Sequence[str], run: Run) -> list[Chain]:
        """Return one chain a shard: each link learns its slice and all before it."""
        recipe = self._recipe()
        found = []
        for shard in range(self.shards):
            name = f"shard-{shard}"
            start = base if self.start == "given" else task.fresh(base, run.key(name) % 2**31)
            own = [one for one in live if place(one, run.seed, self.shards, "shard") == shard]
            slices = [place(one, run.seed, self.slices, "slice") for one in own]
            links = tuple(
                Link(
                    tuple(one for one, at in zip(own, slices, strict=True) if at <= last),
                    recipe,
                    (name, f"slice-{last}"),
                )
                for last in range(self.slices)
            )
            found.append(Chain(name, start, links))
        return found

    def predictor(self, members: Sequence[nn.Module]) -> nn.Module:
        """Return the ensemble of the shards' models."""
        return Ensemble(members, self.vote)

    def _recipe(self) -> FineTune:
        epochs = max(1, round(2 * self.epochs / (self.slices + 1)))
        return FineTune(
            epochs=epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, schedule=self.schedule
        )
