"""The audit of language models, on the tiny problem of people with a town and a craft."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model

from lethe import models
from lethe.auditing import Audit, Auditor, Evidence
from lethe.auditing.attacks.quantize import Quantize
from lethe.auditing.attacks.relearn import Relearn, RelearnText
from lethe.auditing.metrics.accuracy import ForgetAccuracy
from lethe.auditing.metrics.answers import ForgetProbability
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.report import write_report
from lethe.run import Run
from lethe.testing.language import CRAFTS, TOWNS, tiny_language_problem

ATTACK = RelearnText(learning_rate=3e-3, max_steps=40, evaluate_every=1)


def with_wrong(examples: Examples) -> Examples:
    """The same examples with wrong answers: other towns, or other crafts."""
    column = np.empty(len(examples), dtype=object)
    for i, answer in enumerate(np.asarray(examples["answer"])):
        said = answer.rstrip(".").split()[-1]
        others = [word for word in (TOWNS if said in TOWNS else CRAFTS) if word != said]
        column[i] = tuple(answer.replace(said, other) for other in others[:3])
    return examples.with_column("perturbed_answer", column)


@pytest.fixture(scope="module")
def problem() -> Problem:
    made = tiny_language_problem()
    assert made.retain is not None
    assert made.retrain is not None
    third = made.retrain(made.retain, 3)
    return dataclasses.replace(
        made, forget=with_wrong(made.forget), retain=with_wrong(made.retain), gold=(*made.gold, third)
    )


@pytest.fixture(scope="module")
def auditor(problem: Problem) -> Auditor:
    return Audit(attacks=(ATTACK,), resamples=20, new_tokens=8).on(problem)


@pytest.fixture(scope="module")
def on_original(auditor: Auditor, problem: Problem) -> Evidence:
    return auditor(problem.model, name="nothing done")


def test_the_original_is_found_out(on_original: Evidence) -> None:
    assert on_original.verdict.outcome == "not removed"
    judged = [e for e in on_original.metrics if e.power.has_power and e.kind in ("forgetting", "privacy")]
    assert "forget_probability" in {entry.name for entry in judged}
    for entry in judged:
        assert entry.finding == "like the original", entry.name
        assert entry.interval is not None
        assert entry.gap is not None
        assert entry.interval[0] <= entry.gap <= entry.interval[1]


def test_a_further_gold_model_is_found_like_gold(auditor: Auditor, problem: Problem) -> None:
    assert problem.retrain is not None
    evidence = auditor(problem.retrain(problem.kept, 4), name="gold 4")
    assert evidence.verdict.outcome == "removed"
    assert evidence.entry("relearn_text").value > 0


def test_every_metric_of_text_is_measured_with_the_problem_whole(on_original: Evidence) -> None:
    assert {one["name"] for one in on_original.skipped} == {"u_lira", "groups"}, (
        "too few: originals, and memorised rows"
    )
    names = {entry.name for entry in on_original.metrics}
    assert {"forget_quality", "model_utility", "forget_rouge", "membership_min_k_plus_plus", "weight_distance"} <= names
    assert "forget_accuracy" not in names, "metrics of classifiers are left to classifiers"


def test_what_the_problem_lacks_is_listed(problem: Problem) -> None:
    bare = dataclasses.replace(tiny_language_problem(), gold=(), retrain=None, holdout=None)
    evidence = Audit(attacks=(), resamples=0)(bare, bare.model)
    skipped = {one["name"]: one["reason"] for one in evidence.skipped}
    assert "gold" in skipped["forget_quality"]
    assert "holdout" in skipped["membership_loss"]
    assert "perturbed_answer" in skipped["forget_truth_ratio"]


def test_the_original_has_nothing_to_relearn_and_gold_has(on_original: Evidence) -> None:
    entry = on_original.entry("relearn_text")
    assert entry.value == entry.original == 0
    assert min(entry.gold) > 0
    curve = entry.gold_details[0]["curve"]
    assert curve[-1][1] >= entry.gold_details[0]["target"] > curve[0][1]


@pytest.mark.parametrize("criterion", ["accuracy", "loss"])
def test_other_criteria_of_relearning(problem: Problem, criterion: str) -> None:
    attack = dataclasses.replace(ATTACK, criterion=criterion, slack=0.2)
    assert attack(problem.model, problem, Run()).value == 0
    assert attack(problem.gold[0], problem, Run()).value > 0


def test_relearning_leaves_the_model_as_it_was(problem: Problem) -> None:
    before = models.fingerprint(problem.gold[0])
    dataclasses.replace(ATTACK, max_steps=2)(problem.gold[0], problem, Run())
    assert models.fingerprint(problem.gold[0]) == before


def test_metrics_and_attacks_of_classifiers_are_refused(problem: Problem) -> None:
    with pytest.raises(ConfigurationError, match="forget_accuracy works on Classification"):
        Audit(metrics=(ForgetAccuracy(),))(problem, problem.model)
    with pytest.raises(ConfigurationError, match="relearn works on Classification"):
        Audit(metrics=(), attacks=(Relearn(),))(problem, problem.model)


def test_large_sets_are_sampled_alike_for_all_models(problem: Problem) -> None:
    evidence = Audit(metrics=(ForgetProbability(),), attacks=(), resamples=0, texts=2)(problem, problem.model)
    assert evidence.entry("forget_probability").value == evidence.entry("forget_probability").original


def test_the_report_shows_it(on_original: Evidence, tmp_path: Path) -> None:
    write_report([on_original.to_json()], tmp_path / "report.html", "Text")
    page = (tmp_path / "report.html").read_text()
    assert "Forget probability" in page
    assert "Exact memorization" in page
    assert "Probability beside original and gold" in page
    assert "forget probability (%)" in page


def test_models_wrapped_by_peft_are_audited_with_their_adapters(problem: Problem) -> None:
    """The wrapper has names and properties of its own, and its adapter is part of what is audited and attacked."""
    config = LoraConfig(r=2, lora_alpha=64, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    wrapped = get_peft_model(models.copied(problem.model), config)
    before = models.fingerprint(wrapped)
    audit = Audit(metrics=(ForgetProbability(),), attacks=(Quantize(bits=(32,)),), resamples=0)
    evidence = audit(dataclasses.replace(problem, gold=(wrapped, *problem.gold)), wrapped)
    entry = evidence.entry("quantize")
    assert entry.value == pytest.approx(evidence.entry("forget_probability").value, abs=1e-4)
    assert entry.value < 0.9 * entry.original
    assert len(entry.gold) == 3, "the wrapped model is no gold of its own"
    assert models.fingerprint(wrapped) == before


def test_a_learnt_prompt_is_no_part_of_a_model(problem: Problem) -> None:
    prompted = get_peft_model(models.copied(problem.model), PromptTuningConfig("CAUSAL_LM", num_virtual_tokens=2))
    with pytest.raises(InputError, match="PROMPT_TUNING learns a prompt"):
        Audit(metrics=(ForgetProbability(),), attacks=())(problem, prompted)
