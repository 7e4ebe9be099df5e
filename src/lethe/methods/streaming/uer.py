"""UER: learn a stream of classes with a small memory, new examples by their angle and remembered ones in full."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.losses import cosine_logits
from lethe.methods.exact.chains import Spent, Weights, with_weights
from lethe.methods.exact.ledger import Ledger
from lethe.methods.exact.service import Deletable, Deletion, Service, linear_head
from lethe.methods.exact.sharded import classes_gone
from lethe.methods.streaming.replay import Lesson, Replay, lessons_of
from lethe.methods.streaming.reservoir import Reservoir
from lethe.models import tensors
from lethe.run import Run
from lethe.tasks import Classification, Task, as_classification

Logits = Literal["cosine", "dot"]
MEMORY, SEEN, MET = "lesson/memory", "lesson/seen", "lesson/met"


@dataclass(frozen=True, kw_only=True)
class UER(Deletable):
    """UER: online continual learning whose newest classes do not win by their length.

    The classes arrive lesson by lesson, every example once. Each step takes a batch of the lesson and a batch of the
    memory, L = CE(cos θ / τ; current) + CE(h · w; replayed), both over the classes met so far: the logits of new
    examples are read by their angle alone, so that to first order they lengthen neither features nor prototypes, and
    those of remembered ones in full. Then the batch is offered to the memory, a reservoir. What predicts is
    argmax h · w. The last layer has no bias (it is held at 0), and there is no weight decay: both would break the first
    claim.

    A deletion begins again with the weights and the memory before the first lesson that held one of the examples: what
    predicts afterwards is, bit for bit, what learning without them gives.

    Args:
        classes_per_lesson: classes that arrive together, in the order of their numbers.
        memory: examples the memory holds.
        batch_size: new examples a step.
        replay_size: remembered examples a step.
        learning_rate: step size of SGD.
        temperature: τ of the cosine logits.
        current: logits that new examples are trained on: `cosine` (UER), or `dot`, which with `dot` below is experience
            replay (ER), the usual baseline.
        replayed: logits of remembered examples: `dot` (UER), or `cosine`.
        start: `fresh` draws new weights; `given` begins with the model as it is, which must never have seen the
            examples.

    Raises:
        InputError: the head is not linear.

    Source: Lin et al. 2023, UER, arXiv:2309.04081; its release holds no code: equal weights of both losses, prediction
    by h · w and the settings follow the same group's PCR, arXiv:2304.04408.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)
    intent: ClassVar[str] = "bias"

    classes_per_lesson: int = 2
    memory: int = 200
    batch_size: int = 10
    replay_size: int = 10
    learning_rate: float = 0.1
    temperature: float = 0.09
    current: Logits = "cosine"
    replayed: Logits = "dot"
    start: Literal["fresh", "given"] = "fresh"

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        for name in ("classes_per_lesson", "batch_size", "replay_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.memory < 0:
            raise ConfigurationError(f"memory must not be negative, not {self.memory}; 0 remembers nothing")
        for name in ("learning_rate", "temperature"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be above 0, not {getattr(self, name)}")

    def serve(self, base: nn.Module, task: Task, ledger: Ledger, run: Run, weights: Weights) -> UerService:
        """Return the service of the lessons."""
        known = as_classification(task, "uer")
        known.check(ledger.examples, "examples")
        linear_head(known, base, "uer")
        beginning = known.fresh(base, run.key("uer") % 2**31) if self.start == "fresh" else base
        return UerService(self, beginning, known, ledger, run, weights)

    def logits(self, kind: Logits, features: Tensor, prototypes: Tensor) -> Tensor:
        """Return the logits [B, C] of one kind, from features [B, D] and prototypes [C, D]."""
        return cosine_logits(features, prototypes, self.temperature) if kind == "cosine" else features @ prototypes.T


class UerService(Service):
    """The service: weights, memory and classes met, after every lesson."""

    def __init__(
        self, system: UER, base: nn.Module, task: Classification, ledger: Ledger, run: Run, weights: Weights
    ) -> None:
        self._system, self._task, self._ledger = system, task, ledger
        self._run, self._weights = run, weights
        self._base = _without_bias(base, task)
        self.trained = Spent()

    @property
    def task(self) -> Classification:
        """How its models are fed and read."""
        return self._task

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        """The lessons that have examples, in their order."""
        return self._lessons(self.live)

    def settle(self) -> None:
        """Learn the lessons whose outcome is missing, and erase what belongs to none."""
        with self._ledger.request():
            self.trained = self._learn_all(self.lessons)
            self._ledger.write()
            self._keep_only(self.lessons)

    def delete(self, ids: Sequence[str]) -> Deletion:
        """Learn again from the first lesson that held one of the examples; erase what saw them."""
        ids, start = tuple(ids), time.perf_counter()
        with self._ledger.request():
            self._ledger.check(ids)
            gone = set(ids)
            left = tuple(name for name in self.live if name not in gone)
            lessons = self._lessons(left)
            spent = self._learn_all(lessons)
            # From here on the request counts; what it replaces may go.
            self._ledger.write(ids)
            self._keep_only(lessons)
        notes = tuple(classes_gone(self._task, self._ledger.examples, gone, left))
        return Deletion(ids, time.perf_counter() - start, spent.steps, spent.examples, notes)

    def model(self) -> nn.Module:
        """Return what predicts after the last lesson."""
        return self.after(len(self.lessons) - 1)

    def after(self, lesson: int) -> nn.Module:
        """Return what predicts after that lesson, counted from 0."""
        return self._restored(self.lessons[lesson])

    def remembered(self) -> tuple[str, ...]:
        """Return the ids in the memory after the last lesson."""
        places = self._weights[self.lessons[-1].key][MEMORY].tolist()
        return tuple(self._ledger.ids[place] for place in places)

    def _lessons(self, live: Sequence[str]) -> tuple[Lesson, ...]:
        labels = self._ledger.examples.select(live).tensor(self._task.label).tolist()
        by_id = dict(zip(live, labels, strict=True))
        return lessons_of(by_id, self._task.classes, self._system.classes_per_lesson, self._run.seed)

    def _learn_all(self, lessons: Sequence[Lesson]) -> Spent:
        spent, before = Spent(), None
        with self._run.progress.bar("lessons", len(lessons)) as bar:
            for lesson in lessons:
                if lesson.key not in self._weights:
                    spent += self._learn(lesson, before)
                before = lesson
                bar.advance()
        self._run.cost.steps += spent.steps
        self._run.cost.examples += spent.examples
        return spent

    def _learn(self, lesson: Lesson, before: Lesson | None) -> Spent:
        """Learn one lesson from the outcome of the one before, and keep its own."""
        system = self._system
        replay = Replay(
            self._task, self._ledger.examples, self._ledger.ids, system.batch_size, system.replay_size,
            system.learning_rate, partial(system.logits, system.current), partial(system.logits, system.replayed),
        )  # fmt: skip
        model = self._restored(before).to(self._run.device)
        memory, met = self._memory(before)
        spent = replay.learn(model, lesson, memory, met, self._run)
        outcome = {name: value.clone() for name, value in tensors(model).items()}
        stored = {MEMORY: torch.tensor(memory.members, dtype=torch.long), SEEN: torch.tensor(memory.seen), MET: met}
        self._weights.keep(lesson.key, {**outcome, **stored})
        return spent

    def _restored(self, lesson: Lesson | None) -> nn.Module:
        kept: Mapping[str, Tensor] = self._weights[lesson.key] if lesson is not None else {}
        return with_weights(self._base, {n: v for n, v in kept.items() if n not in (MEMORY, SEEN, MET)})

    def _memory(self, lesson: Lesson | None) -> tuple[Reservoir, Tensor]:
        """Return the memory after a lesson, and which classes were met, [C] bool."""
        if lesson is None:
            return Reservoir(self._system.memory), torch.zeros(self._task.classes, dtype=torch.bool)
        kept = self._weights[lesson.key]
        return Reservoir(self._system.memory, kept[MEMORY].tolist(), int(kept[SEEN])), kept[MET].clone()

    def _keep_only(self, lessons: Sequence[Lesson]) -> None:
        self._weights.only([lesson.key for lesson in lessons])


def _without_bias(base: nn.Module, task: Classification) -> nn.Module:
    """Return a copy whose last layer has its bias at 0, so that its logits are dot products."""
    model = with_weights(base, {})
    bias = task.head(model).bias
    if isinstance(bias, Tensor):
        with torch.no_grad():
            bias.zero_()
    return model
