"""Attacking: every attack on the model, the original and gold, once each, and kept so that an audit can go on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import nn

from lethe.auditing.attacks.base import Attack
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.auditing.policy import Policy
from lethe.auditing.records import Entry
from lethe.auditing.scoring import Scores, entry, require_numbers
from lethe.auditing.settings import of_parts
from lethe.errors import LetheError
from lethe.models import fingerprint
from lethe.problem import Problem
from lethe.progress import Bar
from lethe.run import Run
from lethe.store import digest


@dataclass(eq=False)
class Attacker:
    """Carries out attacks alike on all models of an audit.

    Args:
        problem: what was to be forgotten.
        attacks: what to try, by name.
        run: seed, device and progress.
        known: where scores are kept, beside what was measured.
        policy: the bounds an entry is judged by.
    """

    problem: Problem
    attacks: Sequence[tuple[str, Attack]]
    run: Run
    known: Measurements
    policy: Policy
    _done: dict[str, Score] = field(default_factory=dict)

    def __call__(self, model: nn.Module, golds: Mapping[str, nn.Module]) -> tuple[list[Entry], list[dict[str, str]]]:
        """Return an entry an attack, and `name` and `reason` of those that could not be carried out.

        Args:
            model: the audited model.
            golds: the gold models beside it, by hash.
        """
        models = [model, self.problem.model, *golds.values()]
        entries: list[Entry] = []
        skipped: list[dict[str, str]] = []
        with self.run.progress.bar("attacking", len(self.attacks) * len(models)) as bar:
            clock = _Clock(len(self.attacks) * len(models))
            for name, attack in self.attacks:
                try:
                    self.problem.require(attack.needs, attack.title)
                    scores = [self._score(name, attack, one, bar, clock) for one in models]
                    entries.append(self._entry(name, attack, scores))
                except LetheError as error:
                    skipped.append({"name": name, "reason": str(error)})
        return entries, skipped

    def _entry(self, name: str, attack: Attack, scores: Sequence[Score]) -> Entry:
        own, original, *golds = scores
        others = Scores(original, tuple(golds))
        require_numbers(attack, own, others)
        looked_at = int(own.details.get("looked_at", len(self.problem.forget)))
        return entry(name, attack, own, others, attack.resolution(self.problem), None, self.policy, looked_at)

    def _score(self, name: str, attack: Attack, model: nn.Module, bar: Bar, clock: _Clock) -> Score:
        """Return the score of one attack on one model, from an earlier attempt where there is one."""
        key = digest(["attack", self._settings[name], fingerprint(model), self._of_problem, self.run.seed])
        if key not in self._done:
            found = self.known.recall(key)
            if found is None:
                self.run.interrupt_point()
                with clock.running():
                    score = attack.measured(model, self.problem, self.run, self.known)
                self.known.keep(key, {}, {"value": score.value, "details": dict(score.details)})
            else:
                score = Score(found[1]["value"], found[1]["details"])
            self._done[key] = score
        bar.advance(1, **clock.step())
        return self._done[key]

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return of_parts(self.attacks)

    @cached_property
    def _of_problem(self) -> dict[str, Any]:
        return self.problem.fingerprint()


@dataclass
class _Clock:
    """Tells how long the rest takes, from what was not done before."""

    steps: int
    done: int = 0
    worked: int = 0
    seconds: float = 0.0

    def running(self) -> _Timer:
        return _Timer(self)

    def step(self) -> dict[str, float]:
        """Return the minutes left, once something was timed."""
        self.done += 1
        if not self.worked:
            return {}
        return {"minutes left": (self.steps - self.done) * self.seconds / self.worked / 60}


@dataclass
class _Timer:
    clock: _Clock
    start: float = 0.0

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.clock.seconds += time.perf_counter() - self.start
        self.clock.worked += 1
