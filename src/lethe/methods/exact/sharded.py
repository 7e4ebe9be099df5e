"""Sharded service: chains of training over parts of the data, of which a deletion repeats only those it touches."""

from __future__ import annotations

import hashlib
import time
from abc import abstractmethod
from collections.abc import Collection, Sequence

from torch import nn

from lethe.errors import InputError
from lethe.examples import Examples
from lethe.methods.exact.chains import Chain, Spent, Weights, grow, with_weights
from lethe.methods.exact.ledger import Ledger
from lethe.methods.exact.service import Deletable, Deletion, Service
from lethe.run import Run
from lethe.tasks import Classification, Task


class Sharded(Deletable):
    """A system that trains chains on parts of the data. A subclass says which chains, and what predicts."""

    @abstractmethod
    def chains(self, base: nn.Module, task: Task, live: Sequence[str], run: Run) -> list[Chain]:
        """Return the chains of training on the examples with these ids.

        What does not depend on an example must not change when it is gone: places are drawn from its id alone.
        """

    @abstractmethod
    def predictor(self, members: Sequence[nn.Module]) -> nn.Module:
        """Return what predicts, from the model at the end of each chain."""

    def serve(self, base: nn.Module, task: Task, ledger: Ledger, run: Run, weights: Weights) -> ShardedService:
        """Return the service of the chains."""
        return ShardedService(self, base, task, ledger, run, weights)


class ShardedService(Service):
    """The service of a sharded system."""

    def __init__(
        self,
        system: Sharded,
        base: nn.Module,
        task: Task,
        ledger: Ledger,
        run: Run,
        weights: Weights,
    ) -> None:
        self._system, self._base, self._task = system, base, task
        self._ledger, self._run, self._weights = ledger, run, weights
        self.trained = Spent()

    def settle(self) -> None:
        """Train what the ledger asks for and is missing, and erase what it does not ask for."""
        with self._ledger.request():
            chains = self._chains(self.live)
            self.trained = self._grown(chains)
            self._ledger.write()
            self._keep_only(chains)

    def delete(self, ids: Sequence[str]) -> Deletion:
        """Train again the links that saw the examples, and all after them in their chains; erase the old ones."""
        ids, start = tuple(ids), time.perf_counter()
        with self._ledger.request():
            self._ledger.check(ids)
            before, gone = self._chains(self.live), set(ids)
            left = tuple(name for name in self.live if name not in gone)
            chains = self._chains(left)
            spent = self._grown(chains)
            # From here on the request counts; what it replaces may go.
            self._ledger.write(ids)
            self._keep_only(chains)
        notes = (*_shards_gone(before, chains), *classes_gone(self._task, self._ledger.examples, gone, left))
        return Deletion(ids, time.perf_counter() - start, spent.steps, spent.examples, notes)

    def model(self) -> nn.Module:
        """Return what predicts now."""
        ends = [(chain, chain.keys()[-1]) for chain in self._chains(self.live)]
        return self._system.predictor([with_weights(chain.start, self._weights[key]) for chain, key in ends]).eval()

    def _chains(self, live: Sequence[str]) -> list[Chain]:
        """Return the chains that hold an example: an empty one has no say."""
        every = self._system.chains(self._base, self._task, live, self._run)
        return [chain for chain in every if any(link.ids for link in chain.links)]

    def _grown(self, chains: Sequence[Chain]) -> Spent:
        return grow(chains, self._weights, self._ledger.examples, self._task, self._run)

    def _keep_only(self, chains: Sequence[Chain]) -> None:
        self._weights.only([key for chain in chains for key in chain.keys()])  # noqa: SIM118 - not a mapping


def _shards_gone(before: Sequence[Chain], now: Sequence[Chain]) -> list[str]:
    names = {chain.name for chain in now}
    return [f"{chain.name} has no examples left and no longer votes" for chain in before if chain.name not in names]


def classes_gone(task: Task, examples: Examples, gone: Collection[str], left: Sequence[str]) -> list[str]:
    """Return a note for every class whose last example was among those deleted."""
    if not isinstance(task, Classification):
        return []
    labels = dict(zip(examples.ids, examples.tensor(task.label).tolist(), strict=True))
    lost = {labels[name] for name in gone} - {labels[name] for name in left}
    return [f"class {label} has no examples left" for label in sorted(lost)]


def place(name: str, seed: int, count: int, what: str) -> int:
    """Return which of `count` parts an example belongs to: of its id and the seed alone, whatever else is there."""
    if count < 1:
        raise InputError(f"there must be at least one {what}")
    number = hashlib.sha256(f"{seed}/{what}/{name}".encode()).digest()[:8]
    return int.from_bytes(number, "little") % count
