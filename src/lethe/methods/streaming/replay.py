"""Replay: learn a lesson in one pass, each batch beside one of what is remembered."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import Diverged
from lethe.examples import Batch, Examples
from lethe.methods.exact.chains import Spent
from lethe.methods.streaming.reservoir import Reservoir
from lethe.run import Run
from lethe.store import digest
from lethe.tasks import Classification

LogitsOf = Callable[[Tensor, Tensor], Tensor]
"""Features [B, D] and prototypes [C, D] to logits [B, C]."""


@dataclass(frozen=True)
class Lesson:
    """What arrives together.

    Attributes:
        classes: the classes it brings.
        ids: its examples, in the order they are met.
        key: what its outcome is kept under; it depends on all examples up to its end and on nothing else.
    """

    classes: tuple[int, ...]
    ids: tuple[str, ...]
    key: str


def lessons_of(labels: Mapping[str, int], classes: int, size: int, seed: int) -> tuple[Lesson, ...]:
    """Return the lessons that have examples, `size` classes each in the order of their numbers.

    The order of examples in a lesson is drawn from their ids: who else is there does not change it.

    Args:
        labels: the label of each example, by id.
        classes: number of classes.
        size: classes a lesson.
        seed: of the order.
    """
    order = sorted(labels, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    key, found = "", list[Lesson]()
    for first in range(0, classes, size):
        brought = tuple(range(first, min(first + size, classes)))
        ids = tuple(name for name in order if labels[name] in brought)
        if ids:
            key = digest([key, ids])
            found.append(Lesson(brought, ids, f"lesson-{first}-{key[:24]}"))
    return tuple(found)


@dataclass(frozen=True)
class Replay:
    """One pass of SGD over a lesson, L = CE(current batch) + CE(remembered batch), over the classes met so far.

    Args:
        task: how the model is fed.
        examples: all there are.
        names: ids by the numbers that the memory holds.
        batch_size: new examples a step.
        replay_size: remembered examples a step.
        learning_rate: step size.
        current: logits of new examples.
        replayed: logits of remembered ones.
    """

    task: Classification
    examples: Examples
    names: Sequence[str]
    batch_size: int
    replay_size: int
    learning_rate: float
    current: LogitsOf
    replayed: LogitsOf

    def learn(self, model: nn.Module, lesson: Lesson, memory: Reservoir, met: Tensor, run: Run) -> Spent:
        """Learn a lesson; model, memory and `met` ([C] bool, the classes met) change in place.

        Raises:
            Diverged: the loss is no longer finite.
        """
        head = self.task.head(model.train())
        assert isinstance(head, nn.Linear)
        # The losses read the prototypes, not the bias, which so gets no gradient and stays.
        moving = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = torch.optim.SGD(moving, lr=self.learning_rate)
        spent = Spent(links=1)
        # Dropout draws from the global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.key("replay", *lesson.classes))
            for batch, past in self._batches(lesson, memory, run):
                run.interrupt_point()
                met[self.task.labels(batch).cpu()] = True
                loss = self._loss(model, head.weight, batch, met, self.current)
                if past is not None:
                    loss = loss + self._loss(model, head.weight, past, met, self.replayed)
                if not math.isfinite(loss.item()):
                    raise Diverged(f"learning is no longer finite at step {spent.steps}; lower the learning rate")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                spent += Spent(1, len(batch) + (len(past) if past is not None else 0))
        return spent

    def _batches(self, lesson: Lesson, memory: Reservoir, run: Run) -> Iterator[tuple[Batch, Batch | None]]:
        """Yield each batch with one of the memory, None where that is empty; the memory is offered it afterwards."""
        generator = run.generator("memory", *lesson.classes)
        numbers = {name: number for number, name in enumerate(self.names)}
        for first in range(0, len(lesson.ids), self.batch_size):
            ids = lesson.ids[first : first + self.batch_size]
            past = [self.names[number] for number in memory.drawn(self.replay_size, generator)]
            yield self._batch(ids, run), self._batch(past, run) if past else None
            for name in ids:
                memory.offer(numbers[name], generator)

    def _batch(self, ids: Sequence[str], run: Run) -> Batch:
        return self.examples.batch(torch.tensor([self.examples.position[name] for name in ids])).to(run.device)

    def _loss(self, model: nn.Module, prototypes: Tensor, batch: Batch, met: Tensor, logits: LogitsOf) -> Tensor:
        """Return the cross-entropy over the classes met; each batch is forwarded apart, with its own norms."""
        found = logits(self.task.features(model, batch), prototypes)
        return F.cross_entropy(found.masked_fill(~met.to(found.device), -math.inf), self.task.labels(batch))
