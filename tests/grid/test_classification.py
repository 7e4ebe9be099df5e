"""The comparison of classification methods: what takes part, how it is grouped, what it says and refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from lethe import testing
from lethe.auditing import Audit
from lethe.cli import main
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.grid import classification, comparing, working
from lethe.grid.cells import Spec
from lethe.grid.classification import chosen_settings, group, reads, settings, specs
from lethe.grid.gaps import WORST, mean_gap, nominal_gap, whole_classes
from lethe.grid.tuning import Tuning
from lethe.grid.working import Looking, TrialJob, work_trial
from lethe.models import fingerprint
from lethe.pool import Local
from lethe.problem import Problem
from lethe.progress import Silent
from lethe.run import Run

QUICK = Looking(("forget_accuracy", "retain_accuracy", "holdout_accuracy"), (), 0)
METHODS = ("boundary_expanding", "gradient_ascent", "s3t", "acu")
SMALL = {"laf": {"epochs": "1", "vae_epochs": "1"}, "bad_teacher": {}, "boundary_expanding": {}, "ssd-label-free": {}}


def relabelled(examples: Examples | None) -> Examples | None:
    return examples.with_column("label", (examples.tensor("label") + 1) % 10) if examples is not None else None


def test_methods_that_say_they_read_no_labels_do_not() -> None:
    problem = testing.tiny_problem()
    other = dataclasses.replace(problem, forget=relabelled(problem.forget), retain=relabelled(problem.retain))
    silent = [spec for spec in specs() if not spec.build().reads_labels()]
    assert {spec.label for spec in silent} == set(SMALL)
    for spec in silent:
        method = spec.build(SMALL[spec.label])
        assert fingerprint(method.unlearn(problem, Run())) == fingerprint(method.unlearn(other, Run())), spec.label
    reading = Spec("ssd", "ssd").build()
    assert fingerprint(reading.unlearn(problem, Run())) != fingerprint(reading.unlearn(other, Run()))
    assert Spec("laf", "laf", {"repair_epochs": "1"}).build().reads_labels()


def test_methods_are_grouped_by_what_they_read() -> None:
    known = {spec.label: spec for spec in specs()}
    assert "retrain" not in known
    assert "npo" not in known
    assert {label for label, spec in known.items() if group(spec) == "no retain data"} == {
        "gradient_ascent", "boundary_shrink", "boundary_expanding"
    }  # fmt: skip
    assert {label for label, spec in known.items() if group(spec) == "by construction"} >= {
        "sisa", "s3t", "acu", "soup", "noisy_gd", "safe"
    }  # fmt: skip
    assert group(known["ssd"]) == "all data"
    assert group(known["ssd-label-free"]) == group(known["bad_teacher"]) == "no labels"
    assert reads(known["scar"]) == "retain, holdout, labels"
    assert group(known["oracle_matching"]) == "given gold"
    assert reads(known["gradient_ascent"]) == "labels"


def test_what_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no method 'salum'; did you mean 'salun'"):
        specs(["salum"])
    with pytest.raises(ConfigurationError, match="npo: does not work on image classifiers"):
        specs(["npo"])
    with pytest.raises(ConfigurationError, match="retraining is gold itself"):
        specs(["retrain"])
    with pytest.raises(ConfigurationError, match="no option 'alpa'; did you mean 'alpha'"):
        specs(["ssd"], {"ssd": {"alpa": "1"}})
    with pytest.raises(ConfigurationError, match="no setting 'digit-class'; did you mean 'digits-class'"):
        chosen_settings(["digit-class"], False)
    with pytest.raises(ConfigurationError, match="leave one out"):
        chosen_settings(["digits-class"], True)
    monkeypatch.delenv("LETHE_DATA", raising=False)
    with pytest.raises(ConfigurationError, match="mnist-class needs public data: set LETHE_DATA"):
        chosen_settings(["mnist-class"], False)
    monkeypatch.setenv("LETHE_DATA", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"cifar10-class needs cifar10/cifar10_small\.npz, which the folder"):
        chosen_settings(["cifar10-class"], False)


def test_settings_without_their_data_are_left_out_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LETHE_DATA", raising=False)
    found, skipped = chosen_settings([], False)
    assert [one.name for one in found] == ["digits-class", "digits-random", "digits-mislabelled"]
    assert sorted(skipped) == ["cifar10-class", "cifar10-random", "mnist-class", "mnist-random"]
    assert chosen_settings([], True)[0] == found


def test_methods_that_take_minutes_run_where_they_are_named_and_else_on_digits_untuned() -> None:
    where = [settings()["digits-class"], settings()["mnist-class"]]
    every = {spec.label: spec for spec in specs()}
    assert {label for label, spec in every.items() if not spec.tuned} == set(classification.DEAR)
    left = classification.kept_out(where, list(every.values()))
    assert set(left) == {("mnist-class", name) for name in classification.DEAR}
    published = classification.kept_out([settings()["cifar10-random"]], specs(["sisa", "acu"]))
    assert list(published) == [("cifar10-random", "sisa")]
    grid = classification.Comparison(where, specs(["datamodel_matching", "scrub"]), Path("nowhere")).grid()
    assert grid.left_out == {}
    assert all(spec.tuned for spec in grid.specs)
    assert specs(["lcodec"])[0].options == {"perturbations": "200"}
    assert specs(["lcodec"], {"lcodec": {"perturbations": "9"}})[0].options == {"perturbations": "9"}


def test_what_is_too_dear_stands_below_the_table_with_the_reason(tmp_path: Path) -> None:
    where = dataclasses.replace(settings()["digits-class"], name="another")
    dear = Spec("iau", "iau", tuned=False)
    grid = dataclasses.replace(
        classification.Comparison([where], [dear, Spec("safe", "safe")], tmp_path, (0,)).grid(),
        left_out={("another", "iau"): "too dear: so it is"},
    )
    plan = {one.cell.spec.label: one for one in grid.plan()}
    assert (plan["iau"].state, plan["iau"].reason) == ("impossible", "too dear: so it is")
    assert plan["safe"].state == "open"
    tuned = dataclasses.replace(grid, left_out={}, trials=3, specs=[dear])
    assert tuned._tuned(list(tuned.cells())) == {("another", "iau"): {}}


def test_without_gold_a_forgotten_class_has_a_nominal_gap(whole_class: Problem) -> None:
    alone = dataclasses.replace(whole_class, gold=(), retrain=None)
    assert whole_classes(alone)
    audit = Audit(tuple(QUICK.audit().metrics or ()), (), golds=0, resamples=0)
    unchanged = mean_gap(audit(alone, alone.model), alone)
    assert unchanged == pytest.approx(1 / 3, abs=0.01)  # it still names the class, and nothing else is lost
    assert mean_gap(audit(alone, whole_class.gold[0]), alone) < 0.02
    tiny = dataclasses.replace(testing.tiny_problem(), gold=(), retrain=None)
    assert not whole_classes(tiny)
    assert mean_gap(audit(tiny, tiny.model), tiny) == WORST


def test_without_gold_a_random_part_is_to_be_known_as_well_as_unseen_data(random_subset: Problem) -> None:
    alone = dataclasses.replace(random_subset, gold=(), retrain=None)
    audit = Audit(tuple(QUICK.audit().metrics or ()), (), golds=0, resamples=0)
    evidence = audit(alone, random_subset.gold[0])
    assert nominal_gap(evidence, alone) is None
    found = nominal_gap(evidence, alone, alike=True)
    assert found is not None
    values, original = (
        [next(getattr(entry, name) for entry in evidence.metrics if entry.name == metric) for metric in QUICK.metrics]
        for name in ("value", "original")
    )
    apart = [abs(values[0] - original[2]), abs(values[1] - original[1]), abs(values[2] - original[2])]
    assert found.value == pytest.approx(sum(apart) / 3)
    assert found.original == pytest.approx(abs(original[0] - original[2]) / 3)
    assert mean_gap(evidence, alone, alike=True) == found.value
    assert settings()["mnist-random"].alike()
    assert not settings()["digits-mislabelled"].alike()


def test_a_trial_that_fails_is_lost_and_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = TrialJob(settings()["digits-class"], Spec("s3t", "s3t"), {}, QUICK, tmp_path)
    assert work_trial(job)["gap"] == WORST
    assert "no block of the model" in work_trial(job)["said"]

    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("singular")

    monkeypatch.setattr(working, "unlearn", broken)
    assert work_trial(job) == {"gap": WORST, "seconds": 0.0, "said": "RuntimeError: singular"}


def test_searches_side_by_side_find_what_each_finds_alone(tmp_path: Path) -> None:
    where = settings()["digits-class"]
    tuned = [Spec("gradient_ascent", "gradient_ascent"), Spec("iau", "iau")]
    looking = dataclasses.replace(QUICK, metrics=QUICK.metrics[:1])
    grid = dataclasses.replace(
        classification.Comparison([where], tuned, tmp_path, (0,), 5).grid(), looking=looking
    )  # fmt: skip
    together = grid._searched({(s.label, ""): Tuning(where, s, 5, looking, tmp_path) for s in tuned})
    for spec in tuned:
        alone = Tuning(where, spec, 5, looking, tmp_path / "alone")
        assert alone.best(Local(), Silent()) == together[spec.label, ""]


def test_retraining_is_timed_anew_and_not_read_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = list[int]()

    def counted(model: object, task: object, examples: Examples, recipe: object, seed: int) -> None:
        trained.append(len(examples))

    monkeypatch.setattr(classification, "fit", counted)
    where = settings()["digits-class"]
    seconds = classification.retraining_seconds(where)
    assert seconds is not None
    assert trained == [len(where.problem().kept)]
    monkeypatch.setattr(type(where), "made", lambda self: object())
    assert classification.retraining_seconds(where) is None


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("comparison")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classification, "retraining_seconds", lambda setting: 4.0)
        assert main(arguments(out)) == 0
    return out


def arguments(out: Path) -> list[str]:
    return [
        "bench", "classification", "--settings", "digits-class", "--methods", ",".join(METHODS), "--tune", "0",
        "--seeds", "0,1", "--out", str(out / "grid"), "--page", str(out / "page.md"), "--quiet", "--json",
    ]  # fmt: skip


def test_a_table_a_setting_with_references_groups_and_reasons(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(arguments(done)) == 0
    found = json.loads(capsys.readouterr().out)
    lines = {line["label"]: line for line in found["settings"]["digits-class"]}
    assert list(lines)[:2] == ["original", "gold"]
    assert set(lines) == {"original", "gold", *METHODS} - {"s3t"}
    assert "no block of the model" in found["absent"]["digits-class"]["s3t"]
    assert lines["gold"]["values"]["seconds"] == 4.0
    assert lines["gold"]["values"]["forget_accuracy"] == 0
    assert lines["original"]["values"]["gap"] > 0.4
    evidence = [
        json.loads((done / f"grid/cells/digits-class/acu/seed-{seed}/evidence.json").read_text()) for seed in (0, 1)
    ]
    assert lines["acu"]["values"]["gap"] == pytest.approx(sum(one["average_gap"]["value"] for one in evidence) / 2)
    apart = [sum(abs(one["gap"]) for one in each["metrics"] if one["name"] in QUICK.metrics) / 3 for each in evidence]
    assert lines["acu"]["values"]["accuracy_gap"] == pytest.approx(sum(apart) / 2)
    assert lines["original"]["values"]["accuracy_gap"] > 0.3
    relearnt = [next(one["value"] for one in each["attacks"] if one["name"] == "relearn") for each in evidence]
    assert lines["acu"]["values"]["relearn"] == pytest.approx(sum(relearnt) / 2)
    own = [lines[name] for name in ("boundary_expanding", "gradient_ascent")]
    best = min(own, key=lambda line: line["values"]["gap"])
    assert [line["best"] for line in own] == [line is best for line in own]
    assert lines["acu"]["best"]  # of another group


def test_the_same_command_runs_nothing_twice(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = list[str]()
    before = working.unlearn

    def counted(problem: object, method: object, **more: object) -> object:
        ran.append(type(method).__name__)
        return before(problem, method, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(working, "unlearn", counted)
    assert main(arguments(done)) == 0
    assert set(ran) == {"S3T"}


def test_the_page_says_what_was_run_and_how_to_read_it(done: Path) -> None:
    page = (done / "page.md").read_text()
    assert "lethe bench classification --settings digits-class --methods boundary_expanding,gradient_ascent" in page
    assert f"torch {torch.__version__}" in page
    assert "seeds 0, 1. Every method ran with its published defaults." in page
    assert "One retraining takes 4 s." in page
    assert page.count("| **") == 2
    assert "- `s3t`: no block of the model" in page
    assert str(Path.home()) not in page


def test_how_numbers_stand_in_the_table() -> None:
    line = comparing.Line(
        "a", "all data", "retain", 2, {"gap": 0.123, "relearn": 100.0, "retain_accuracy": 0.95}, {"gap": 0.01},
        {"retain_accuracy": -0.02},
    )  # fmt: skip
    assert comparing.text(line, "gap") == "12.3 ± 1.0"
    assert comparing.text(line, "relearn") == "≥ 100"
    assert comparing.text(line, "retain_accuracy") == "95.0 (−2.0)"
    assert comparing.text(line, "seconds") == "-"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--data", "x"], "--data is for published benchmarks, and classification brings its own"),
        (["--learning-rate", "0.1"], "--learning-rate is for published benchmarks"),
        (["--device", "cuda"], "--device is for published benchmarks"),
        (["--seeds", "0,0"], "--seeds 0,0: give at least one seed, and each once"),
        (["--methods", "salum"], "there is no method 'salum'"),
        (["--settings", "digits"], "there is no setting 'digits'"),
        (["--page", "no/such/page.md"], "there is no folder no/such"),
    ],
)
def test_bad_input_is_one_line(more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "classification", "--out", str(tmp_path / "out"), *more]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert said in error[-1]
    assert not (tmp_path / "out").exists()


def test_published_benchmarks_say_what_they_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for given, said in (
        (["--quick"], "--quick is for the benchmark classification"),
        ([], "--data is missing"),
        (["--data", "x"], "--out is missing"),
    ):
        assert main(["bench", "tofu", *given]) == 2
        assert said in capsys.readouterr().err
