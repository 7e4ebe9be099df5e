from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import nn

import lethe
from lethe import models
from lethe.auditing import Audit, Auditor, Evidence
from lethe.auditing.attacks.base import Attack
from lethe.auditing.metric import References, Rows, Score
from lethe.auditing.metrics.accuracy import ForgetAccuracy, ForgetLoss, HoldoutAccuracy
from lethe.auditing.metrics.distance import ActivationDistance
from lethe.auditing.metrics.recovery import FeatureMapping
from lethe.errors import ConfigurationError, Diverged, InputError
from lethe.measuring import EVALUATION_BATCH
from lethe.problem import Problem
from lethe.run import Run
from lethe.testing.problems import tiny_problem

QUICK = Audit(metrics=(ForgetAccuracy(), ForgetLoss()), attacks=(), resamples=20)


def moved(model: nn.Module) -> nn.Module:
    """The model with one bias a little off, so that its weights are no longer the original's."""
    other = models.copied(model)
    other.get_parameter("hidden.bias").data += 0.1
    return other


def judged(evidence: Evidence) -> dict[str, str]:
    """Findings of everything that speaks of forgetting and has power."""
    entries = (*evidence.metrics, *evidence.attacks)
    return {e.name: e.finding for e in entries if e.power.has_power and e.kind not in ("distance", "utility")}


def test_the_original_is_found_out_by_every_metric_with_power(on_original: Evidence) -> None:
    assert on_original.verdict.outcome == "not removed"
    assert len(judged(on_original)) > 10
    assert set(judged(on_original).values()) == {"like the original"}
    assert on_original.average_gap is not None
    assert on_original.average_gap.value == on_original.average_gap.original > 0.3


def test_a_further_gold_model_is_found_like_gold(on_gold: Evidence) -> None:
    assert on_gold.verdict.outcome == "removed"
    assert on_gold.verdict.failed == ()
    findings = list(judged(on_gold).values())
    assert set(findings) <= {"like gold", "undetermined"}
    assert findings.count("like gold") > 0.5 * len(findings)
    assert on_gold.average_gap is not None
    assert on_gold.average_gap.value < 0.02


def test_intervals_hold_the_gap_and_tell_the_original_from_gold(on_original: Evidence, on_gold: Evidence) -> None:
    for evidence in (on_original, on_gold):
        for entry in (*evidence.metrics, *evidence.attacks):
            assert entry.interval is not None
            assert entry.gap is not None
            assert entry.interval[0] < entry.gap < entry.interval[1]
    apart, near = on_original.entry("forget_accuracy").interval, on_gold.entry("forget_accuracy").interval
    assert apart is not None
    assert near is not None
    assert apart[0] > 0.5
    assert near[0] < 0 < near[1]


def test_accuracy_on_a_random_subset_has_no_power(random_subset: Problem) -> None:
    evidence = QUICK(random_subset, random_subset.model)
    entry = evidence.entry("forget_accuracy")
    assert entry.power.has_power is False
    assert "cannot be told apart" in entry.power.reason
    assert entry.finding == "no power"


def test_each_model_is_forwarded_once_however_many_are_audited(mislabelled: Problem) -> None:
    metrics = (ForgetAccuracy(), HoldoutAccuracy(), ActivationDistance(), FeatureMapping())
    subjects = {"first": models.copied(mislabelled.gold[0]), "second": mislabelled.gold[1]}
    audited = (mislabelled.model, *mislabelled.gold, subjects["first"])
    counts = [0] * len(audited)

    def count(i: int) -> None:
        counts[i] += 1

    hooks = [m.register_forward_hook(lambda *_, i=i: count(i)) for i, m in enumerate(audited)]
    Audit(metrics=metrics, attacks=(), resamples=5).many(mislabelled, subjects)
    for hook in hooks:
        hook.remove()
    sets = (mislabelled.forget, mislabelled.kept, mislabelled.holdout)
    once = sum(math.ceil(len(examples) / EVALUATION_BATCH) for examples in sets if examples is not None)
    # The first subject is a copy of the first gold model: the same weights are measured once between them.
    assert counts == [once, 0, once, once, once]


def test_a_gold_model_is_no_reference_of_its_own(mislabelled: Problem) -> None:
    evidence = QUICK(mislabelled, mislabelled.gold[0])
    assert evidence.models["unlearned"] == models.fingerprint(mislabelled.gold[0])
    assert evidence.models["gold"] == [models.fingerprint(gold) for gold in mislabelled.gold[1:]]
    assert len(evidence.entry("forget_loss").gold) == 2


def test_missing_gold_models_are_retrained_with_seeds_from_one() -> None:
    problem = tiny_problem()
    bare = dataclasses.replace(problem, gold=())
    evidence = dataclasses.replace(QUICK, golds=2)(bare, problem.model, cost={"seconds": 1.0})
    assert evidence.models["gold"] == [models.fingerprint(gold) for gold in problem.gold]
    assert evidence.cost is not None
    retraining = evidence.cost["retrain_seconds"]
    assert retraining is not None
    assert evidence.cost["relative"] == pytest.approx(1.0 / retraining)


def test_without_gold_nothing_is_decided_and_what_needs_it_is_listed() -> None:
    problem = dataclasses.replace(tiny_problem(), gold=(), retrain=None, holdout=None)
    evidence = lethe.audit(problem, moved(problem.model), attacks=())
    assert evidence.verdict.outcome == "inconclusive"
    assert "no gold model" in evidence.verdict.sentence
    assert evidence.average_gap is None
    assert evidence.data["holdout"] is None
    skipped = {one["name"]: one["reason"] for one in evidence.skipped}
    assert "gold model" in skipped["kl_to_gold"]
    assert "holdout" in skipped["holdout_accuracy"]
    untouched = lethe.audit(problem, problem.model, metrics=QUICK.metrics, attacks=())
    assert untouched.verdict.outcome == "not removed"
    assert untouched.entry("forget_accuracy").value == untouched.entry("forget_accuracy").original


def test_one_gold_model_leaves_the_verdict_open() -> None:
    problem = tiny_problem()
    evidence = QUICK(dataclasses.replace(problem, gold=problem.gold[:1]), problem.model)
    assert evidence.verdict.outcome == "inconclusive"
    assert "single gold model" in evidence.verdict.sentence
    assert evidence.entry("forget_loss").gap is not None
    assert evidence.entry("forget_loss").gap_in_spreads is None


@dataclass(frozen=True)
class Boundless(ForgetAccuracy):
    """A metric that divides by zero."""

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        return Score(math.inf)


def test_a_metric_without_a_finite_value_is_listed_and_the_rest_goes_on() -> None:
    problem = tiny_problem()
    evidence = Audit(metrics=(Boundless(), ForgetLoss()), attacks=(), resamples=5)(problem, problem.model)
    assert [one["name"] for one in evidence.skipped] == ["boundless"]
    assert [entry.name for entry in evidence.metrics] == ["forget_loss"]


@dataclass(frozen=True)
class Fails(Attack):
    title: ClassVar[str] = "An attack that fails"

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        raise Diverged("it diverged")


def test_an_attack_that_fails_is_listed_and_the_rest_goes_on() -> None:
    problem = tiny_problem()
    evidence = dataclasses.replace(QUICK, attacks=(Fails(),))(problem, problem.model)
    assert list(evidence.skipped) == [{"name": "fails", "reason": "it diverged"}]
    assert len(evidence.metrics) == 2


@dataclass(frozen=True)
class Counting(Attack):
    """Counts the models it attacks."""

    attacked: list[str] = dataclasses.field(default_factory=list)

    title: ClassVar[str] = "Counting"

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        self.attacked.append(models.fingerprint(model))
        return Score(0.0)


def test_original_and_gold_are_attacked_once_for_all_models() -> None:
    problem, attack = tiny_problem(), Counting()
    other = models.copied(problem.model)
    other.get_parameter("hidden.bias").data += 0.1
    dataclasses.replace(QUICK, attacks=(attack,)).many(problem, {"one": problem.model, "two": other})
    assert len(attack.attacked) == len(set(attack.attacked)) == 4


def test_the_same_audit_gives_the_same_evidence(tmp_path: Path) -> None:
    problem = tiny_problem()
    audit = dataclasses.replace(QUICK, folder=tmp_path)
    other = models.copied(problem.gold[0])
    other.get_parameter("hidden.bias").data += 0.1
    first = audit(problem, other, run=Run(seed=3))
    assert audit(problem, other, run=Run(seed=3)).to_json() == first.to_json()
    again = Audit(metrics=QUICK.metrics, attacks=(), resamples=20)(problem, other, run=Run(seed=4))
    assert again.entry("forget_loss").value == first.entry("forget_loss").value
    assert again.entry("forget_loss").interval != first.entry("forget_loss").interval


def test_the_audit_changes_no_model(auditor: Auditor, mislabelled: Problem, on_original: Evidence) -> None:
    assert models.fingerprint(mislabelled.model) == on_original.models["original"]
    assert [models.fingerprint(gold) for gold in mislabelled.gold] == on_original.models["gold"]


def test_bad_input_is_one_line() -> None:
    problem = tiny_problem()
    broken = models.copied(problem.model)
    with torch.no_grad():
        broken.get_parameter("hidden.bias").fill_(math.nan)
    with pytest.raises(InputError, match=r"model 'mine': the weights 'hidden.bias' hold a NaN"):
        QUICK(problem, broken, name="mine")
    with pytest.raises(InputError, match="gold model 2: the weights"):
        QUICK(dataclasses.replace(problem, gold=(problem.gold[0], broken)), problem.model)
    with pytest.raises(ConfigurationError, match="golds must not be negative"):
        dataclasses.replace(QUICK, golds=-1)(problem, problem.model)
