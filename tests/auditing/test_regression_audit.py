"""The audit of regression models, on real patients: it finds out what did nothing, and lets retraining pass."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from lethe.api import unlearn
from lethe.auditing import Audit, Auditor, Evidence
from lethe.auditing.attacks.relearn import Relearn
from lethe.auditing.attacks.relearn_values import RelearnValues
from lethe.auditing.measure import Measurements
from lethe.auditing.measure_values import measure_values
from lethe.auditing.metrics.accuracy import ForgetAccuracy
from lethe.auditing.tables import markdown
from lethe.auditing.verification import measured_again
from lethe.errors import ConfigurationError, InputError
from lethe.measuring import example_losses
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.blindspot import Blindspot
from lethe.models import fingerprint
from lethe.problem import Problem
from lethe.report import write_report
from lethe.run import Run
from lethe.tasks import Regression
from lethe.worlds.diabetes import Diabetes

# Three times the default step size: gold needs 85 to 300 steps instead of some 430.
ATTACK = RelearnValues(learning_rate=3e-3, max_steps=300, evaluate_every=5)
METRICS = {"forget_error", "retain_error", "holdout_error", "mia_error_svm", "mia_error_threshold",
           "wasserstein_to_gold", "prediction_gap", "weight_distance"}  # fmt: skip


@pytest.fixture(scope="module")
def patients() -> Problem:
    return Diabetes().problem(gold=(1, 2, 3, 4, 5))


@pytest.fixture(scope="module")
def auditor(patients: Problem) -> Auditor:
    return Audit(attacks=(ATTACK,), resamples=40).on(patients)


@pytest.fixture(scope="module")
def on_original(auditor: Auditor, patients: Problem) -> Evidence:
    return auditor(patients.model, name="nothing done")


@pytest.fixture(scope="module")
def on_gold(auditor: Auditor) -> Evidence:
    return auditor(Diabetes().gold((6,))[0], name="gold 6")


@pytest.fixture(scope="module")
def on_tuned(auditor: Auditor, patients: Problem) -> Evidence:
    recipe = FineTune(epochs=1, learning_rate=1e-3, optimizer="adam", batch_size=32, weight_decay=0.0)
    return auditor(unlearn(patients, recipe).model, name="tuned")


@pytest.fixture(scope="module")
def on_blindspot(auditor: Auditor, patients: Problem) -> Evidence:
    return auditor(unlearn(patients, Blindspot(epochs=5, batch_size=32, teacher_epochs=10)).model, name="blindspot")


def test_every_metric_of_regression_is_there_and_finite(on_original: Evidence) -> None:
    assert {entry.name for entry in on_original.metrics} == METRICS
    assert not [one for one in on_original.skipped if one["name"] != "groups"]
    assert on_original.average_gap is None
    json.dumps(on_original.to_json(), allow_nan=False)
    assert Evidence.from_json(json.loads(json.dumps(on_original.to_json()))).verdict == on_original.verdict


def test_the_original_and_fine_tuning_are_found_out(on_original: Evidence, on_tuned: Evidence) -> None:
    for evidence in (on_original, on_tuned):
        assert evidence.verdict.outcome == "not removed"
        assert evidence.entry("forget_error").finding in ("between", "like the original")
        assert evidence.entry("forget_error").power.has_power


def test_gold_passes(on_gold: Evidence) -> None:
    assert on_gold.verdict.outcome == "removed", on_gold.verdict.sentence
    assert not on_gold.warnings


def test_what_blindspot_leaves_is_relearnt_in_a_few_steps(on_blindspot: Evidence, on_tuned: Evidence) -> None:
    """By its error it is nearer to gold than fine-tuning, but the weights still hold what it no longer shows."""
    entry = on_blindspot.entry("relearn_values")
    assert entry.value < 0.5 * min(entry.gold)
    assert on_blindspot.verdict.outcome != "removed"
    for name in ("forget_error", "wasserstein_to_gold", "prediction_gap", "mia_error_svm"):
        own, tuned = on_blindspot.entry(name), on_tuned.entry(name)
        assert abs(own.gap or 0) < 0.6 * abs(tuned.gap or 0), name


def test_errors_are_those_of_the_task(on_original: Evidence, patients: Problem) -> None:
    expected = example_losses(patients.model, patients.task, patients.forget, Run()).double().mean()
    assert on_original.entry("forget_error").value == pytest.approx(float(expected), rel=1e-5)
    absolute = dataclasses.replace(patients, task=Regression(loss="l1"), gold=())
    evidence = Audit(attacks=(), golds=0, resamples=0)(absolute, patients.gold[0])
    own = example_losses(patients.gold[0], absolute.task, patients.forget, Run()).double().mean()
    assert evidence.entry("forget_error").value == pytest.approx(float(own), rel=1e-5)
    assert evidence.verdict.outcome == "inconclusive"


def test_a_gold_model_that_saw_the_forget_set_is_no_reference(patients: Problem) -> None:
    leaked = dataclasses.replace(patients, gold=(*patients.gold[:2], Diabetes().original(9)))
    evidence = Audit(attacks=(), resamples=0)(leaked, patients.gold[3])
    assert [one.about for one in evidence.warnings if one.invalidates] == ["gold 3"]
    assert evidence.verdict.outcome == "inconclusive"


def test_table_report_and_verification_read_the_evidence(
    on_gold: Evidence, on_blindspot: Evidence, patients: Problem, tmp_path: Path
) -> None:
    table = markdown([on_gold, on_blindspot])
    assert "Forget error" in table
    assert "Wasserstein to gold" in table
    write_report([on_gold.to_json(), on_blindspot.to_json()], tmp_path / "report.html")
    assert "Prediction gap" in (tmp_path / "report.html").read_text("utf-8")
    lines = list(measured_again(on_gold, patients, Diabetes().gold((6,))[0], Run()))
    assert [line.agrees for line in lines] == [True] * 7
    other = list(measured_again(on_gold, patients, patients.model, Run()))
    assert other[0].agrees is False
    assert "prediction on the forget set" in other[0].said


def test_nothing_is_forwarded_twice_and_the_scale_is_that_of_the_sets(patients: Problem) -> None:
    known, run = Measurements(), Run()
    assert isinstance(patients.task, Regression)
    sets = {"forget": patients.forget, "retain": patients.kept}
    first = measure_values(patients.model, patients.task, sets, run, known)
    count = run.cost.examples
    again = measure_values(patients.model, patients.task, sets, run, known)
    assert run.cost.examples == count == len(patients.forget) + len(patients.kept)
    assert again.values["forget"].losses.equal(first.values["forget"].losses)
    targets = torch.cat([patients.forget.tensor("target"), patients.kept.tensor("target")]).double()
    assert first.values["retain"].scale == pytest.approx(float(targets.var(correction=0)))


def test_what_is_no_regression_is_refused(patients: Problem) -> None:
    wide = nn.Sequential(nn.Flatten(), nn.Linear(10, 2))
    with pytest.raises(InputError, match=r"outputs of shape \(93, 2\) for 93 examples, not one number each"):
        Audit(attacks=(), resamples=0)(patients, wide)
    with pytest.raises(ConfigurationError, match="forget_accuracy works on Classification"):
        Audit(metrics=(ForgetAccuracy(),))(patients, patients.model)
    with pytest.raises(ConfigurationError, match="relearn works on"):
        Audit(attacks=(Relearn(),))(patients, patients.model)
    with pytest.raises(ConfigurationError, match="has no accuracy; set criterion=loss"):
        RelearnValues(criterion="accuracy")
    same = torch.ones(len(patients.forget))
    constant = {"forget": patients.forget.with_column("target", same)}
    assert isinstance(patients.task, Regression)
    with pytest.raises(InputError, match="all targets in 'target' are the same"):
        measure_values(patients.model, patients.task, constant, Run())


def test_the_attack_leaves_the_model_and_the_original_needs_no_step(patients: Problem) -> None:
    before = fingerprint(patients.model)
    score = ATTACK(patients.model, patients, Run())
    assert score.value == 0
    assert score.details["measure"] == "loss"
    assert fingerprint(patients.model) == before
    # The source relearns all training data; the forget set alone is learnt in fewer steps.
    alone = dataclasses.replace(ATTACK, lesson_from="forget")(patients.gold[0], patients, Run())
    assert 0 < alone.value < ATTACK(patients.gold[0], patients, Run()).value


@pytest.mark.slow
def test_the_example_of_the_guide_runs_and_says_what_the_guide_says(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "auditing.md").read_text("utf-8")
    (example,) = re.findall(r"## Regression.*?```python\n(.*?)```", guide, flags=re.DOTALL)
    exec(example, {})
    sentence, numbers = capsys.readouterr().out.strip().splitlines()
    assert not sentence.startswith("Removed")
    found = re.fullmatch(r"forget error ([\d.]+), of gold ([\d.]+); relearnt in (\d+) steps", numbers)
    assert found is not None
    assert float(found[1]) < float(found[2])
    assert int(found[3]) < 50
