"""Attacks on all models of an audit: once each, alike, and kept across an interruption."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch import nn

from lethe import models
from lethe.auditing import Audit
from lethe.auditing.attacks.base import Attack
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.auditing.metrics.accuracy import ForgetLoss
from lethe.errors import AuditIncomplete
from lethe.problem import Problem
from lethe.progress import Silent
from lethe.run import Run
from lethe.testing.problems import tiny_problem

QUICK = Audit(metrics=(ForgetLoss(),), resamples=5)


class Killed(BaseException):
    """What a killed process does not catch."""


@dataclasses.dataclass(frozen=True)
class Counting(Attack):
    """Counts the models it attacks, and dies at one of them.

    Args:
        budget: a setting.
        attacked: the models attacked.
        die_at: which attack kills the process; 0 for none.
    """

    budget: int = 1
    attacked: list[str] = dataclasses.field(default_factory=list, repr=False)
    die_at: int = dataclasses.field(default=0, repr=False)

    title: ClassVar[str] = "Counting"

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        if len(self.attacked) + 1 == self.die_at:
            raise Killed
        self.attacked.append(models.fingerprint(model))
        value = float(sum(weight.detach().abs().sum() for weight in model.parameters()))
        return Score(value, {"before": 0.5, "curve": [[0, 0.5], [self.budget, value]]})


class Second(Counting):
    """The same under another name."""


def audited(attacks: tuple[Attack, ...], folder: Path | None, seed: int = 0) -> dict[str, Any]:
    problem = tiny_problem()
    other = models.copied(problem.model)
    other.get_parameter("hidden.bias").data += 0.1
    return dataclasses.replace(QUICK, attacks=attacks, folder=folder)(problem, other, run=Run(seed=seed)).to_json()


@pytest.mark.parametrize("die_at", [1, 2, 4])
def test_an_audit_killed_between_attacks_goes_on_with_what_was_attacked(die_at: int, tmp_path: Path) -> None:
    whole = audited((Counting(), Second()), None)
    first, second = Counting(), Second(die_at=die_at)
    with pytest.raises(Killed):
        audited((first, second), tmp_path)
    assert len(first.attacked) == 4
    again = Counting(), Second()
    assert audited(again, tmp_path) == whole
    assert again[0].attacked == []
    assert len(again[1].attacked) == 4 - (die_at - 1)
    assert not {*again[1].attacked} & {*second.attacked}


def test_what_was_kept_is_of_these_settings_this_seed_and_this_problem_alone(tmp_path: Path) -> None:
    audited((Counting(),), tmp_path)
    for attack, seed in ((Counting(), 0), (Counting(budget=2), 0), (Counting(), 1)):
        audited((attack,), tmp_path, seed)
        assert len(attack.attacked) == (0 if (attack.budget, seed) == (1, 0) else 4)


@dataclasses.dataclass(frozen=True)
class Unnamed(Attack):
    """An attack whose generator nobody named."""

    title: ClassVar[str] = "Unnamed"

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        raise AuditIncomplete("needs a generator; name one with --generator")


def test_an_attack_that_lacks_something_is_listed_with_what_to_name() -> None:
    evidence = audited((Unnamed(), Counting()), None)
    assert evidence["skipped"] == [{"name": "unnamed", "reason": "needs a generator; name one with --generator"}]
    assert [entry["name"] for entry in evidence["attacks"]] == ["counting"]


@dataclasses.dataclass(frozen=True)
class Asking(Attack):
    """An attack that looks up what was measured before."""

    asked: list[Measurements] = dataclasses.field(default_factory=list, repr=False)

    title: ClassVar[str] = "Asking"

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        return Score(0.0)

    def measured(self, model: nn.Module, problem: Problem, run: Run, known: Measurements) -> Score:
        self.asked.append(known)
        return Score(1.0)


def test_attacks_are_offered_what_was_measured() -> None:
    attack = Asking()
    assert audited((attack,), None)["attacks"][0]["value"] == 1.0
    assert len({id(known) for known in attack.asked}) == 1


class Told(Silent):
    """Remembers what a bar was told."""

    def __init__(self) -> None:
        self.values: list[dict[str, float]] = []

    def bar(self, label: str, total: int):  # type: ignore[no-untyped-def]
        return super().bar(label, total) if label != "attacking" else self._bar(total)

    def _bar(self, total: int):  # type: ignore[no-untyped-def]
        import contextlib

        told = self

        class Bar:
            def advance(self, count: int = 1, **values: float) -> None:
                told.values.append(values)

        return contextlib.nullcontext(Bar())


def test_the_time_left_is_told_after_each_attack() -> None:
    problem, told = tiny_problem(), Told()
    audit = dataclasses.replace(QUICK, attacks=(Counting(), Second()))
    auditor = audit.on(problem, run=Run(progress=told))
    assert auditor.outline() == "4 models (unlearned, original, 2 gold) x 1 metrics, and 2 attacks on 4 of them"
    auditor(models.copied(problem.model))
    assert len(told.values) == 8
    assert all(values["minutes left"] >= 0 for values in told.values)
    assert told.values[-1]["minutes left"] == 0
