"""The auditor on classifiers made so that the right verdict is known: hidden, unchanged, broken, leaked, retrained."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from lethe.auditing import Audit, Auditor, Evidence
from lethe.auditing.attacks.linear_probe import LinearProbe
from lethe.auditing.attacks.prune import Prune
from lethe.auditing.attacks.quantize import Quantize
from lethe.auditing.metrics.accuracy import (
    ForgetAccuracy,
    ForgetLoss,
    HoldoutAccuracy,
    HoldoutLoss,
    RetainAccuracy,
    RetainLoss,
)
from lethe.auditing.metrics.recovery import FeatureMapping, HeadRecovery
from lethe.auditing.metrics.relative import RelativeTest
from lethe.auditing.metrics.rmia import RMIA
from lethe.auditing.metrics.threshold import MIAEntropyThreshold, MIALoss
from lethe.examples import concatenate
from lethe.problem import Problem
from lethe.worlds.digits import Digits
from tests.auditing.planting import filtered, nudged, ruined

METRICS = (
    ForgetAccuracy(), ForgetLoss(), RetainAccuracy(), RetainLoss(), HoldoutAccuracy(), HoldoutLoss(), MIALoss(),
    MIAEntropyThreshold(), RMIA(), RelativeTest(draws=200), FeatureMapping(), HeadRecovery(),
)  # fmt: skip
QUICK = Audit(metrics=METRICS, attacks=(Quantize(), Prune(), LinearProbe()), resamples=20)
WORLD = Digits("mislabelled")


@pytest.fixture(scope="module")
def auditor(mislabelled: Problem) -> Auditor:
    return QUICK.on(mislabelled)


def off_gold(evidence: Evidence, group: str) -> set[str]:
    """The metrics that find the model on the original's side within a group."""
    found = [entry for entry in evidence.groups if entry.group.startswith(group)]
    assert found, f"there is no group {group}"
    return {entry.metric for entry in found if entry.finding in ("between", "like the original")}


def test_a_gold_of_another_seed_passes(auditor: Auditor) -> None:
    evidence = auditor(WORLD.gold((4,))[0], name="gold 4")
    assert evidence.verdict.outcome == "removed", evidence.verdict.sentence
    assert evidence.warnings == ()
    assert off_gold(evidence, "most memorised") == set()


@pytest.mark.slow
def test_golds_of_other_seeds_pass_in_19_of_20_by_all_metrics(mislabelled: Problem) -> None:
    audit = Audit(attacks=QUICK.attacks, shadows=2, resamples=50).on(mislabelled)
    verdicts = [audit(WORLD.gold((seed,))[0]).verdict for seed in range(4, 24)]
    assert sum(one.outcome == "removed" for one in verdicts) >= 19, [one.sentence for one in verdicts]


@pytest.mark.parametrize("seed", [0, 1])
def test_an_original_passed_off_as_unlearned_fails(auditor: Auditor, mislabelled: Problem, seed: int) -> None:
    """Also where it is not the very same file: a copy from another seed."""
    model = mislabelled.model if seed == 0 else WORLD.original(seed)
    evidence = auditor(model, name="original")
    assert evidence.verdict.outcome == "not removed"
    assert "forget_accuracy" in off_gold(evidence, "most memorised")


@pytest.mark.parametrize(
    ("plant", "outcome"),
    [(filtered, "suppressed"), (nudged, "not removed"), (lambda problem: nudged(problem, ""), "suppressed")],
    ids=["filter", "head", "all"],
)
def test_what_only_hides_is_found_out(auditor: Auditor, mislabelled: Problem, plant, outcome: str) -> None:
    """A filter on the outputs; a few steps in the head, which leave some labels as they were; a few in all layers."""
    model = plant(mislabelled)
    evidence = auditor(model, name="hides")
    assert evidence.verdict.outcome == outcome, evidence.verdict.sentence
    assert evidence.verdict.failed, "the line of the policy that failed is named"
    assert evidence.entry("feature_mapping").finding in ("between", "like the original")


def test_the_filter_hides_every_answer_and_is_found_by_what_lies_behind_it(
    auditor: Auditor, mislabelled: Problem
) -> None:
    """Outputs are gold's to the last forget example: accuracy alone would let it pass."""
    evidence = auditor(filtered(mislabelled), name="filter")
    assert evidence.entry("forget_accuracy").finding == "like gold"
    assert evidence.entry("retain_accuracy").value == evidence.entry("retain_accuracy").original
    assert evidence.entry("linear_probe").recovered > 0.2
    assert evidence.entry("feature_mapping").value > 0.9


def test_a_model_that_lost_everything_is_destroyed(auditor: Auditor, mislabelled: Problem) -> None:
    evidence = auditor(ruined(mislabelled), name="ruined")
    assert evidence.verdict.outcome == "destroyed"
    assert any(line.startswith("utility.") for line in evidence.verdict.failed)


def test_a_forget_set_without_signal_is_never_a_pass(random_subset: Problem) -> None:
    """A random tenth that generalises: original and gold answer alike, and nobody can tell what was forgotten."""
    auditor = QUICK.on(random_subset)
    for model in (random_subset.model, Digits("random").gold((4,))[0]):
        evidence = auditor(model)
        assert evidence.verdict.outcome in ("inconclusive", "not removed")
        if model is not random_subset.model:
            assert evidence.verdict.outcome == "inconclusive"
            assert "can tell the original from gold" in evidence.verdict.sentence


@pytest.fixture(scope="module")
def leaking(mislabelled: Problem) -> nn.Module:
    """A gold model that was trained on six of the 129 examples to forget."""
    few = mislabelled.forget.take(range(6))
    return WORLD.train(concatenate(mislabelled.kept, few), 9)


def test_a_gold_that_leaked_a_few_examples_is_warned_of(mislabelled: Problem, leaking: nn.Module) -> None:
    beside = dataclasses.replace(mislabelled, gold=(mislabelled.gold[0], leaking, mislabelled.gold[1]))
    evidence = QUICK.on(beside)(WORLD.gold((4,))[0])
    assert [warning.about for warning in evidence.warnings] == ["gold 2"]
    assert "6 of the 129 examples" in evidence.warnings[0].sentence


@pytest.mark.slow
def test_a_few_examples_that_were_not_forgotten_show_in_their_group_and_not_on_average(
    mislabelled: Problem, leaking: nn.Module
) -> None:
    """Six of 129 move the average by less than the bound; in a column that names the person they are all there is."""
    row = torch.arange(len(mislabelled.forget))
    person = torch.where(row < 6, 0, torch.where(row < 9, 1, 2 + row // 50))
    named = dataclasses.replace(mislabelled, forget=mislabelled.forget.with_column("person", person))
    evidence = dataclasses.replace(QUICK, groups="person").on(named)(leaking)
    assert evidence.entry("forget_accuracy").gap == pytest.approx(6 / 129, abs=0.02)
    assert evidence.verdict.outcome == "not removed"
    assert "person = 0" in evidence.verdict.sentence
    assert "forget_loss" in off_gold(evidence, "person = 0")
    assert all(not off_gold(evidence, f"person = {i}") for i in (2, 3, 4))
    left = [one["reason"] for one in evidence.skipped if one["name"] == "groups"]
    assert left == ["person = 1: 3 examples are too few, 5 or more are judged"]
