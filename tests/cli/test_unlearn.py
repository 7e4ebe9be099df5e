"""`lethe unlearn` on a model and data from disk: what it writes, what it prints, and that it forgets."""

from __future__ import annotations

import json

import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification

from lethe import api, configure, models
from lethe.store import read_json
from tests.helpers import accuracy


def test_the_command_gives_the_very_bits_of_the_python_call(place, lethe, tmp_path):
    """Otherwise reading from disk changed an image, a label, an order or an option on its way."""
    made = lethe(place.unlearn(tmp_path / "run", "--set", "epochs=1", "--set", "learning_rate=0.02", "--quiet"))
    assert (made.code, made.out) == (0, "")
    method = configure.build("finetune", {"epochs": "1", "learning_rate": "0.02"})
    expected = api.unlearn(place.problem, method, device="cpu").model
    loaded = AutoModelForImageClassification.from_pretrained(tmp_path / "run" / "model")
    assert models.same_weights(loaded, expected)


def test_the_model_folder_is_one_of_the_ecosystem(place, lethe, tmp_path):
    """The model must load with its own loader, be fed as before, and have forgotten the wrong labels."""
    run = tmp_path / "run"
    assert lethe(place.unlearn(run, "--set", "epochs=3", "--quiet")).code == 0
    model = AutoModelForImageClassification.from_pretrained(run / "model")
    assert AutoImageProcessor.from_pretrained(run / "model").image_mean == (0.305,)
    problem = place.problem
    assert accuracy(problem, model, problem.forget) < accuracy(problem, problem.model, problem.forget) - 0.4
    assert accuracy(problem, model, problem.holdout) > 0.9


def test_results_go_to_stdout_and_the_next_command_is_named(place, lethe, tmp_path):
    """A user who has just unlearned a model must be told where it is and what to type next."""
    run = tmp_path / "a run"
    shown = lethe(place.unlearn(run, "--set", "epochs=1"))
    assert "warning" not in shown.err
    assert f"lethe audit --run '{run}'" in shown.out
    again = lethe(place.unlearn(run, "--set", "epochs=1", "--json"))
    assert json.loads(again.out) == read_json(run / "record.json")


def test_the_record_says_what_the_run_was_made_from(place, lethe, tmp_path, monkeypatch):
    """An audit from another working folder needs absolute paths, and the filter as it was written."""
    monkeypatch.chdir(place.folder)
    options = {"model": "model", "data": "data.npz", "forget": "label == 3", "gold": "gold"}
    assert lethe(place.unlearn(tmp_path / "run", "--set", "epochs=1", "--quiet", **options)).code == 0
    inputs = read_json(tmp_path / "run" / "record.json")["inputs"]
    assert inputs == {
        "model": str(place.model), "data": str(place.data), "forget": "label == 3", "retain": None, "holdout": None,
        "gold": [str(place.gold)],
    }  # fmt: skip


def test_parts_change_what_moves(place, lethe, tmp_path):
    """--scope and --set scope.count must reach the method: all but the last layer keeps its bits."""
    run = tmp_path / "run"
    more = ("--set", "epochs=1", "--scope", "last_layers", "--set", "scope.count=1", "--step", "sam", "--quiet")
    assert lethe(place.unlearn(run, *more)).code == 0
    before, after = models.tensors(place.problem.model), models.read_weights(run / "model" / "model.safetensors")
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved == {"classifier.1.weight", "classifier.1.bias"}


def test_the_best_measured_state_is_kept(place, lethe, tmp_path):
    """Forget accuracy falls while this run goes on; asked for its largest value, an early state must be the result."""
    run = tmp_path / "run"
    more = ("--set", "epochs=2", "--evaluate-every", "5", "--keep", "max:forget_accuracy", "--quiet")
    assert lethe(place.unlearn(run, *more)).code == 0
    measured = [entry["forget_accuracy"] for entry in read_json(run / "record.json")["history"]]
    assert measured[0] > measured[-1] + 0.2
    kept = AutoModelForImageClassification.from_pretrained(run / "model")
    assert abs(accuracy(place.problem, kept, place.problem.forget) - max(measured)) < 1e-6


def test_best_means_nearest_to_gold_for_the_forget_set(place, lethe, tmp_path):
    """For the forget set neither 0 nor 1 is best: `best:forget_accuracy` must end where gold is."""
    run = tmp_path / "run"
    more = ("--set", "epochs=2", "--evaluate-every", "5", "--keep", "best:forget_accuracy")
    assert lethe(place.unlearn(run, *more, "--gold", str(place.gold), "--quiet")).code == 0
    keep = read_json(run / "record.json")["configuration"]["keep"]
    assert keep == {"metric": "forget_accuracy_gap", "sign": -1}
    refused = lethe(place.unlearn(tmp_path / "other", *more))
    assert refused.code == 2
    assert "--gold" in refused.err
    assert "min:forget_accuracy" in refused.err
