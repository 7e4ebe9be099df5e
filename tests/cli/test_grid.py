"""A grid from the command line: plan, run, table, plots."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tests.cli.conftest import Place

GRID = """\
settings:
  mine: {{model: {model}, data: {data}, forget: {ids}, gold: [{gold}]}}
methods:
  finetune: {{epochs: 1}}
  ssd:
  npo:
metrics: [forget_accuracy, holdout_accuracy]
resamples: 0
"""


def test_from_the_plan_to_the_table(place: Place, lethe, tmp_path: Path) -> None:
    text = GRID.format(model=place.model, data=place.data, ids=place.ids, gold=place.gold)
    (tmp_path / "grid.yaml").write_text(text)
    file, out = str(tmp_path / "grid.yaml"), str(tmp_path / "out")
    plan = lethe(["grid", file, "--out", out, "--plan"])
    assert plan.code == 0, plan.err
    assert "3 cells: 0 done, 2 to run, 1 impossible" in plan.out
    assert not (tmp_path / "out" / "cells").exists()
    done = lethe(["grid", file, "--out", out])
    assert done.code == 0, done.err
    assert "next: lethe table" in done.out
    assert set(pd.read_parquet(tmp_path / "out" / "results.parquet")["method"]) == {"finetune", "ssd"}
    again = json.loads(lethe(["grid", file, "--out", out, "--plan", "--json"]).out)
    assert [one["state"] for one in again] == ["done", "done", "impossible"]
    latex = lethe(["table", out, "--format", "latex", "--columns", "forget_accuracy,seconds"])
    assert latex.code == 0, latex.err
    assert r"\toprule" in latex.out
    plain = json.loads(lethe(["table", out, "--json"]).out)
    assert {row["method"] for row in plain} == {"finetune", "ssd"}
    drawn = lethe(["plot", out, "--format", "svg", "--json"])
    assert drawn.code == 0, drawn.err
    assert all(Path(path).exists() for path in json.loads(drawn.out))


def test_an_example_to_start_from_and_what_is_missing(lethe, tmp_path: Path) -> None:
    assert lethe(["grid", "--example"]).out.startswith("settings:")
    assert "the grid file is missing" in lethe(["grid"]).err
    assert "--out is missing" in lethe(["grid", "grid.yaml"]).err
    assert "holds no finished cell" in lethe(["table", str(tmp_path)]).err
    assert "did you mean 'markdown'" in lethe(["table", str(tmp_path), "--format", "markdwn"]).err
    assert "there is no such format" in lethe(["plot", str(tmp_path), "--format", "gif"]).err
