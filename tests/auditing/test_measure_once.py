"""An audit of a language model asks no model the same thing twice, whichever metric or prompt attack asks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from torch import nn

from lethe import catalogue, models
from lethe.auditing import Audit, measure, token_logs
from lethe.auditing.attacks.prefix_extraction import PrefixExtraction
from lethe.auditing.attacks.prompts import PromptAttack
from lethe.auditing.prompting import answers
from lethe.auditing.units import hidden_units
from lethe.generation import greedy
from lethe.problem import Problem
from lethe.worlds.people import People

WORLD = People.tiny()


class Ledger:
    """Every answer read and every answer generated, by model, and how often a model ran outside of either."""

    def __init__(self) -> None:
        self.read: Counter[tuple[str, Any]] = Counter()
        self.generated: Counter[tuple[str, Any]] = Counter()
        self.outside = self.searches = 0
        self._within = False
        self._names: dict[int, str] = {}

    @contextmanager
    def within(self) -> Iterator[None]:
        self._within = True
        try:
            yield
        finally:
            self._within = False

    def name(self, model: nn.Module) -> str:
        return self._names.setdefault(id(model), models.fingerprint(model))

    def ran(self, *_: object) -> None:
        self.outside += not self._within


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    found = Ledger()
    read_pairs = token_logs.read_pairs

    def reading(model: nn.Module, task: Any, pairs: Sequence[Any], *rest: Any) -> None:
        found.read.update((found.name(model), pair) for pair in dict.fromkeys(pairs))
        with found.within():
            read_pairs(model, task, pairs, *rest)

    def generating(model: nn.Module, prompts: Sequence[Any], *rest: Any, **more: Any) -> Any:
        found.generated.update((found.name(model), tuple(prompt)) for prompt in prompts)
        with found.within():
            return greedy(model, prompts, *rest, **more)

    def searching(*arguments: Any) -> Any:
        found.searches += 1
        with found.within():
            return hidden_units(*arguments)

    monkeypatch.setattr(measure, "hidden_units", searching)
    monkeypatch.setattr(token_logs, "read_pairs", reading)
    monkeypatch.setattr(answers, "greedy", generating)
    return found


def asking() -> tuple[Any, ...]:
    """Every attack that only asks, six questions each, with the templates in the place of a generator."""
    kinds = [entry.load() for entry in catalogue.entries("attack").values()]
    plain = [kind for kind in kinds if issubclass(kind, (PromptAttack, PrefixExtraction)) or "Options" in kind.__name__]
    with_writer = {kind: {"generator": "template"} for kind in plain if "generator" in kind.__dataclass_fields__}
    return tuple(kind(examples=6, **with_writer.get(kind, {})) for kind in plain)


def test_each_answer_is_read_and_each_prompt_answered_once_a_model(ledger: Ledger) -> None:
    problem: Problem = WORLD.problem(gold=(1, 2))
    model = WORLD.gold((4,))[0]
    every = {models.fingerprint(one): one for one in (model, problem.model, *problem.gold)}
    hooks = [one.register_forward_pre_hook(ledger.ran) for one in every.values()]
    try:
        evidence = Audit(attacks=asking(), resamples=0, texts=40, new_tokens=64)(problem, model)
    finally:
        for hook in hooks:
            hook.remove()
    done = {entry.name for entry in evidence.attacks}
    assert {"rephrasing", "eight_methods", "true_options", "answer_forms", "adversarial_probes"} <= done
    assert {"step_by_step", "paired_queries", "swapped_options", "prefix_extraction"} <= done
    assert {name for name, _ in ledger.read} == {name for name, _ in ledger.generated} == every.keys()
    assert [key for key, times in ledger.read.items() if times > 1] == []
    assert [key for key, times in ledger.generated.items() if times > 1] == []
    assert ledger.outside == 0
    assert ledger.searches == 1, "which hidden units can be exchanged is found out once for all models of a structure"
