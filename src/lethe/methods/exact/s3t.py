"""S3T: adapters trained slice by slice, one block of layers a slice, so that a deletion only switches some off."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from lethe.ensemble import Ensemble, Vote
from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.exact.chains import Chain, Link, Spent, Weights, grow, with_weights
from lethe.methods.exact.ledger import Ledger
from lethe.methods.exact.orders import Order, cyclic, matched
from lethe.methods.exact.service import Deletable, Deletion, Service
from lethe.methods.exact.sharded import classes_gone, place
from lethe.run import Run
from lethe.scopes import LoRA
from lethe.tasks import Classification, Task


@dataclass(frozen=True, kw_only=True)
class S3T(Deletable):
    """Sequence-aware sharded sliced training: deletion switches off the adapters that saw the example; nothing trains.

    The model as it is, which must never have seen the examples, stays frozen. Each shard has L slices and B copies,
    each with an order of the slices. Stage k of a copy trains adapters in the k-th block of layers from the top, and
    the head, on the slices up to π_k. A deletion from slice π_k cuts the copy back to stage k - 1, whose weights never
    saw that slice; of each shard the copy with the most stages left votes. Only when no shard has a stage left is
    everything trained again, on what is left.

    Args:
        shards: number m of shards.
        slices: number L of slices a shard; at most the number of blocks of the model.
        orders: number B of copies a shard; more than L only lengthen what survives.
        probabilities: of a deletion in each slice, where they are known; empty for none.
        rank: rank of the adapters.
        alpha: their scale is alpha / √rank.
        dropout: share of the adapters' inputs that is dropped in training.
        targets: last parts of the names of the layers in a block that are adapted: queries and values, as libraries
            call them.
        epochs: passes over the slices of a stage.
        batch_size: examples a step.
        learning_rate: step size.
        optimizer: `adam`, `adamw` or `sgd`.
        vote: `mean` of the probabilities of the shards, or `majority`.

    Source: Chowdhury et al. 2024, Towards Scalable Exact Machine Unlearning Using Parameter-Efficient Fine-Tuning,
    arXiv:2406.16257.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)

    shards: int = 5
    slices: int = 4
    orders: int = 4
    probabilities: tuple[float, ...] = ()
    rank: int = 16
    alpha: float = 16.0
    dropout: float = 0.1
    targets: tuple[str, ...] = ("query", "value", "q_proj", "v_proj")
    epochs: int = 15
    batch_size: int = 64
    learning_rate: float = 2e-4
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    vote: Vote = "mean"

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        for name in ("shards", "slices"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.probabilities and len(self.probabilities) != self.slices:
            raise ConfigurationError(f"{len(self.probabilities)} probabilities are given for {self.slices} slices")
        self.sequences()

    def sequences(self) -> list[Order]:
        """Return the order of slices of each copy."""
        if self.probabilities:
            return matched(self.probabilities, self.orders)
        return cyclic(self.slices, self.orders)

    def serve(self, base: nn.Module, task: Task, ledger: Ledger, run: Run, weights: Weights) -> S3TService:
        """Return the service of all copies."""
        return S3TService(self, base, task, ledger, run, weights)

    def copies(self, base: nn.Module, task: Task, ids: Sequence[str], seed: int, round_: int) -> Iterator[Copy]:
        """Yield all copies of all shards, as trained on the examples with these ids."""
        blocks = blocks_of(base, self.targets)
        if self.slices > len(blocks):
            raise ConfigurationError(f"{self.slices} slices need as many blocks, and the model has {len(blocks)}")
        each, head = len(blocks) // self.slices, head_name(base, task)
        where = {
            name: (place(name, seed, self.shards, "shard"), place(name, seed, self.slices, "slice")) for name in ids
        }
        for shard in range(self.shards):
            for number, order in enumerate(self.sequences()):
                links = []
                for stage in range(self.slices):
                    seen = {(shard, one) for one in order[: stage + 1]}
                    last = len(blocks) - stage * each
                    layers = tuple(name for block in blocks[last - each : last] for name in block)
                    path = (f"round-{round_}", f"shard-{shard}", f"order-{number}", f"stage-{stage}")
                    members = tuple(name for name in ids if where[name] in seen)
                    links.append(Link(members, self._recipe(layers, head), path))
                name = f"round-{round_}/shard-{shard}-order-{number}"
                yield Copy(shard, order, Chain(name, base, tuple(links)))

    def _recipe(self, layers: tuple[str, ...], head: str) -> FineTune:
        adapters = LoRA(
            rank=self.rank,
            alpha=self.alpha * math.sqrt(self.rank),
            dropout=self.dropout,
            targets=layers,
            beside=(f"{head}.*",),
            merge=True,
        )
        return FineTune(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            optimizer=self.optimizer,
            scope=adapters,
        )


@dataclass(frozen=True)
class Copy:
    """One copy of a shard.

    Attributes:
        shard: which.
        order: its slices in the order they were learnt.
        chain: how it was trained.
    """

    shard: int
    order: Order
    chain: Chain

    def left(self, hit: Collection[tuple[int, int]]) -> int:
        """Return how many stages saw no slice that was hit, given as (shard, slice)."""
        return next((k for k, one in enumerate(self.order) if (self.shard, one) in hit), len(self.order))


class S3TService(Service):
    """The service: stages that are whole, and which of them vote."""

    def __init__(self, system: S3T, base: nn.Module, task: Task, ledger: Ledger, run: Run, weights: Weights) -> None:
        self._system, self._base, self._task, self._ledger = system, base, task, ledger
        self._run, self._weights = run, weights
        self.trained = Spent()

    def settle(self) -> None:
        """Train the stages that are missing and erase those nothing rests on any more."""
        with self._ledger.request():
            self.trained = self._grown(self._round(), self._ledger.deleted_since())
            self._ledger.write()
            self._erase()

    def delete(self, ids: Sequence[str]) -> Deletion:
        """Cut back every copy that saw a slice of these examples; train all again where nothing would be left."""
        ids, start = tuple(ids), time.perf_counter()
        with self._ledger.request():
            self._ledger.check(ids)
            gone = frozenset(ids)
            left = tuple(name for name in self.live if name not in gone)
            notes, spent = classes_gone(self._task, self._ledger.examples, gone, left), Spent()
            lost = not self._whole(self._round(), gone | self._ledger.deleted_since())
            if lost:
                spent = self._grown(self._copies(left, self._ledger.rounds + 1), frozenset())
                notes.append("no stage was left whole: everything was trained again on what is left")
            self._ledger.write(ids, trained_again=lost)
            self._erase()
        return Deletion(ids, time.perf_counter() - start, spent.steps, spent.examples, tuple(notes))

    def model(self) -> nn.Module:
        """Return the vote of the shards that have a stage left, each by its copy with the most."""
        best: dict[int, tuple[int, Chain]] = {}
        for copy, left in self._whole(self._round(), self._ledger.deleted_since()):
            if copy.shard not in best or left > best[copy.shard][0]:
                best[copy.shard] = left, copy.chain
        members = [with_weights(self._base, self._weights[chain.keys()[left - 1]]) for left, chain in best.values()]
        return Ensemble(members, self._system.vote).eval()

    def _copies(self, ids: Sequence[str], round_: int) -> list[Copy]:
        return list(self._system.copies(self._base, self._task, ids, self._run.seed, round_))

    def _round(self) -> list[Copy]:
        """Return the copies as they were last trained."""
        return self._copies(self._ledger.ids_of_round(), self._ledger.rounds)

    def _whole(self, copies: Sequence[Copy], gone: frozenset[str]) -> list[tuple[Copy, int]]:
        """Return the copies with a stage that saw something and no slice of what is gone; how many stages each has."""
        seed, system = self._run.seed, self._system
        hit = {(place(one, seed, system.shards, "shard"), place(one, seed, system.slices, "slice")) for one in gone}
        stages = [(copy, copy.left(hit)) for copy in copies]
        return [(copy, left) for copy, left in stages if left and copy.chain.links[left - 1].ids]

    def _grown(self, copies: Sequence[Copy], gone: frozenset[str]) -> Spent:
        wanted = [copy.chain.first(left) for copy, left in self._whole(copies, gone)]
        return grow(wanted, self._weights, self._ledger.examples, self._task, self._run)

    def _erase(self) -> None:
        whole = self._whole(self._round(), self._ledger.deleted_since())
        self._weights.only([key for copy, left in whole for key in copy.chain.keys()[:left]])


def blocks_of(model: nn.Module, targets: Sequence[str]) -> list[list[str]]:
    """Return the names of the layers to adapt, block by block from the input to the output.

    A block is an entry of the model's list of blocks: what stands before the first number in a layer's name, and it.

    Raises:
        ConfigurationError: no layer of a block has such a name.
    """
    found: dict[str, list[str]] = {}
    for name, module in model.named_modules():
        parts = name.split(".")
        number = next((i for i, part in enumerate(parts) if part.isdigit()), None)
        if isinstance(module, nn.Linear) and number is not None and parts[-1] in targets:
            found.setdefault(".".join(parts[: number + 1]), []).append(name)
    if not found:
        raise ConfigurationError(
            f"no block of the model has a layer named {' or '.join(targets)}; name layers of its blocks with targets"
        )
    return list(found.values())


def head_name(model: nn.Module, task: Task) -> str:
    """Return the name of the model's last layer."""
    head = task.head(model)
    return next(name for name, module in model.named_modules() if module is head)
