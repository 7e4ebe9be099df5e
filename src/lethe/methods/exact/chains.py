"""Chains: models trained in links, each from the weights before it, so that a deletion repeats the last ones."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from lethe import models
from lethe.examples import Examples
from lethe.methods.base import Method
from lethe.problem import Problem
from lethe.run import Run
from lethe.store import Checkpoints, digest
from lethe.tasks import Task

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Link:
    """One stage of training.

    Attributes:
        ids: the examples it learns.
        recipe: how.
        path: where its randomness comes from, beside the service's seed: never from the examples.
    """

    ids: tuple[str, ...]
    recipe: Method
    path: tuple[str, ...]


@dataclass(frozen=True)
class Chain:
    """Links in their order.

    Attributes:
        name: of the chain; different in one service.
        start: the weights that the first link begins with.
        links: the stages.
    """

    name: str
    start: nn.Module
    links: tuple[Link, ...]

    def first(self, count: int) -> Chain:
        """Return the chain of the first `count` links."""
        return Chain(self.name, self.start, self.links[:count])

    def keys(self) -> list[str]:
        """Return what the weights after each link are kept under: the examples of it and of all before decide."""
        every = [digest([link.ids for link in self.links[: i + 1]])[:24] for i in range(len(self.links))]
        return [f"{self.name}/{i}-{key}" for i, key in enumerate(every)]


@dataclass(frozen=True)
class _Work:
    """The links of one chain that are missing, for a worker."""

    start: nn.Module
    links: tuple[Link, ...]
    examples: Examples
    task: Task
    seed: int


@dataclass(frozen=True)
class Spent:
    """What training took.

    Attributes:
        steps: optimiser steps.
        examples: examples forward and backward.
        links: links trained.
    """

    steps: int = 0
    examples: int = 0
    links: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.steps + other.steps, self.examples + other.examples, self.links + other.links)


class Weights:
    """The weights after every link that differ from the start, by key: in memory, or in a folder.

    In a folder a crash loses at most the chains in work.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._memory: dict[str, Tensors] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._memory or (self._folder is not None and self._path(key).exists())

    def __getitem__(self, key: str) -> Tensors:
        if self._folder is None:
            return self._memory[key]
        found = Checkpoints(self._path(key).parent).load(self._path(key).stem)
        assert found is not None
        return found[0]

    def keep(self, key: str, tensors: Tensors) -> None:
        """Keep the weights under the key."""
        if self._folder is None:
            self._memory[key] = tensors
        else:
            Checkpoints(self._path(key).parent).save(self._path(key).stem, tensors, {})

    def only(self, keys: Sequence[str]) -> None:
        """Erase all weights but these: they hold what was deleted."""
        wanted = set(keys)
        self._memory = {key: value for key, value in self._memory.items() if key in wanted}
        if self._folder is None or not self._folder.exists():
            return
        paths = {self._path(key) for key in wanted}
        for path in self._folder.rglob("*.safetensors"):
            if path not in paths:
                path.unlink()

    def clear(self) -> None:
        """Erase everything."""
        self._memory = {}
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{key}.safetensors"


def grow(chains: Sequence[Chain], weights: Weights, examples: Examples, task: Task, run: Run) -> Spent:
    """Train every link whose weights are missing, chain beside chain, and return what that took.

    A link without examples hands on the weights of the one before.
    """
    works, keys, starts = [], [], []
    for chain in chains:
        names = chain.keys()
        done = next((i for i, key in enumerate(names) if key not in weights), len(names))
        if done == len(names):
            continue
        start = chain.start if done == 0 else with_weights(chain.start, weights[names[done - 1]])
        links = chain.links[done:]
        needed = examples.select({name for link in links for name in link.ids})
        works.append(_Work(start, links, needed, task, run.seed))
        keys.append(names[done:])
        starts.append(models.tensors(chain.start))
    spent = Spent()
    with run.progress.bar("training parts", len(works)) as bar:
        for names, first, (found, took) in zip(keys, starts, run.pool.map(_trained, works), strict=True):
            run.interrupt_point()
            for key, tensors in zip(names, found, strict=True):
                # What was frozen is kept once, in the start.
                weights.keep(key, {name: value for name, value in tensors.items() if not value.equal(first[name])})
            spent += took
            bar.advance()
    run.cost.steps += spent.steps
    run.cost.examples += spent.examples
    return spent


def with_weights(model: nn.Module, tensors: Tensors) -> nn.Module:
    """Return a copy of the model with these weights in the place of its own, in eval mode."""
    loaded = models.copied(model)
    models.assign(loaded, {**models.tensors(model), **tensors})
    return loaded.eval()


def _trained(work: _Work) -> tuple[list[dict[str, Tensor]], Spent]:
    """Return the weights after each link, and what training them took."""
    model, found, spent = work.start, list[dict[str, Tensor]](), Spent()
    for link in work.links:
        if link.ids:
            chosen = work.examples.select(link.ids)
            run = Run(seed=work.seed, path=link.path)
            problem = Problem(model=model, task=work.task, forget=chosen.take([]), retain=chosen)
            model = link.recipe.unlearn(problem, run).eval()
            spent += Spent(run.cost.steps, run.cost.examples, 1)
        # Copies: a model that goes on training changes its own.
        found.append({name: value.clone() for name, value in models.tensors(model).items()})
    return found, spent
