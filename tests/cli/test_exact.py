"""Exact deletion from the command line: the ensemble is kept, audited, and loads member by member."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import AutoModelForImageClassification

from tests.cli.conftest import Place


def test_an_ensemble_is_a_result_like_any_other(place: Place, lethe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    sets = ("--set", "shards=2", "--set", "epochs=1", "--workers", "1")
    outcome = lethe(place.unlearn(run, *sets, method="sisa"))
    assert outcome.code == 0, outcome.err
    assert json.loads((run / "model" / "ensemble.json").read_text()) == {"members": 2, "vote": "mean"}
    assert AutoModelForImageClassification.from_pretrained(run / "model" / "0").config.num_labels == 10
    chosen = ("--metrics", "forget_accuracy,holdout_accuracy", "--attacks", "none")
    outcome = lethe(["audit", "--run", str(run), "--gold", str(place.gold), *chosen])
    assert outcome.code == 0, outcome.err
    assert "Forget accuracy" in outcome.out
    outcome = lethe(place.unlearn(tmp_path / "again", model=run / "model"))
    assert outcome.code == 2
    assert "is an ensemble" in outcome.err


def test_workers_and_clusters_that_are_not_there(place: Place, lethe, tmp_path: Path) -> None:
    outcome = lethe(place.unlearn(tmp_path / "run", "--ray", "127.0.0.1:1", method="sisa"))
    assert outcome.code == 2
    assert "no cluster" in outcome.err or "not installed" in outcome.err
