"""`lethe recommend`: the command it prints runs, and what cannot be asked is refused in one line."""

from __future__ import annotations

import json
import shlex

import pytest


def test_it_says_which_fit_why_and_what_to_run(lethe):
    shown = lethe(
        ["recommend", "--task", "causal_lm", "--no-retain", "--guarantee", "none", "--budget", "1h", "--top", "99"]
    )
    assert shown.code == 0
    assert "gradient_ascent: Gradient ascent" in shown.out
    assert shown.out.startswith("1. ")
    assert (
        "lethe unlearn --model MODEL --forget FORGET --method gradient_ascent --out runs/gradient_ascent" in shown.out
    )
    assert "finetune" in shown.out
    assert "reads retain, which you do not have" in shown.out
    assert "budget: not judged" in shown.err


def test_json_holds_all_methods_with_their_commands(lethe):
    found = json.loads(lethe(["recommend", "--task", "classification", "--goal", "class", "--json"]).out)
    listed = json.loads(lethe(["methods", "--json"]).out)
    assert {one["slug"] for one in found} == {facts["slug"] for facts in listed}
    for one in found:
        assert (one["command"] is not None) == one["fits"]
        assert one["reasons"]
    assert found[0]["distance_from_gold"] < 0.01


def test_nothing_that_fits_is_said(lethe):
    shown = lethe(["recommend", "--task", "causal_lm", "--no-retain", "--guarantee", "exact"])
    assert shown.code == 0
    assert "No system of the catalogue fits" in shown.out
    assert "retrain" in next(
        line for line in shown.out.splitlines() if line.endswith(": reads retain, which you do not have")
    )


def test_the_command_it_prints_runs_and_the_budget_is_judged_by_this_machine(place, lethe, tmp_path):
    asked = ["recommend", "--model", place.model, "--data", place.data, "--forget", place.ids]
    shown = lethe([*map(str, asked), "--budget", "1h", "--goal", "examples", "--json"])
    best = next(one for one in json.loads(shown.out) if one["slug"] == "gradient_ascent")
    assert best["fits"]
    assert 0 < best["seconds"] < 3600
    command = shlex.split(best["command"])
    assert command[:2] == ["lethe", "unlearn"]
    command[command.index("--out") + 1] = str(tmp_path / "run")
    assert lethe([*command[1:], "--set", "epochs=1", "--set", "batch_size=16"]).code == 0
    assert (tmp_path / "run" / "record.json").exists()
    none = json.loads(lethe([*map(str, asked), "--budget", "0.000001s", "--json"]).out)
    timed = [one for one in none if one["seconds"] is not None and one["seconds"] > 1e-6]
    assert timed
    assert not any(one["fits"] for one in timed)


def test_a_motive_says_what_to_look_at(lethe):
    shown = lethe(["recommend", "--task", "causal_lm", "--motive", "privacy"])
    assert "For privacy it has to be shown that nobody can tell" in shown.out
    assert "prefix_extraction" in shown.out
    images = json.loads(lethe(["recommend", "--task", "classification", "--motive", "privacy", "--json"]).out)
    assert "mia_confidence" in images[0]["look_at"]
    assert "prefix_extraction" not in images[0]["look_at"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "say for which kind of model"),
        ("--task causal_ml", "did you mean 'causal_lm'"),
        ("--task causal_lm --goal clas", "did you mean 'class'"),
        ("--task causal_lm --guarantee proof", "there is no such guarantee"),
        ("--task causal_lm --motive privat", "did you mean 'privacy'"),
        ("--task causal_lm --aims removing", "did you mean 'removal'"),
        ("--task causal_lm --budget soon", "expected a duration"),
        ("--task causal_lm --no-retain --retain r.jsonl", "leave out one"),
        ("--model nowhere", "nowhere"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(options, words, lethe):
    shown = lethe(["recommend", *options.split()])
    assert shown.code == 2
    assert words in shown.err
    assert shown.err.count("\n") == 1
