"""Requests one after the other, from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.cli.conftest import Place


def arguments(place: Place, out: Path, *more: str) -> list[str]:
    return ["stream", "--model", str(place.model), "--data", str(place.data), "--out", str(out), *more]


def test_a_forget_set_is_cut_into_requests_that_are_answered(place: Place, lethe, tmp_path: Path) -> None:
    more = ("--forget", str(place.ids), "--parts", "3", "--method", "safe", "--set", "steps=2")
    outcome = lethe(arguments(place, tmp_path / "out", *more))
    assert outcome.code == 0, outcome.err
    assert "before" in outcome.out
    assert "lethe plot" in outcome.out
    drawn = lethe(["plot", str(tmp_path / "out"), "--format", "png"])
    assert drawn.code == 0, drawn.err
    assert (tmp_path / "out" / "plots" / "stream.png").stat().st_size > 10_000
    rows = list(csv.DictReader((tmp_path / "out" / "stream.csv").read_text().splitlines()))
    assert [row["count"] for row in rows] == ["0", "43", "86", "129"]
    again = lethe(arguments(place, tmp_path / "out", *more, "--json"))
    assert json.loads(again.out)["rounds"][3]["count"] == 129


def test_requests_come_from_a_file_and_go_to_any_method(place: Place, lethe, tmp_path: Path) -> None:
    ids = place.problem.forget.ids
    (tmp_path / "requests.jsonl").write_text(f"{json.dumps(ids[:4])}\n{json.dumps(ids[4:6])}\n")
    more = ("--requests", str(tmp_path / "requests.jsonl"), "--method", "ssd")
    outcome = lethe(arguments(place, tmp_path / "out", *more))
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "out" / "requests" / "0002" / "model" / "config.json").exists()


def test_what_is_wrong_is_said_in_one_line(place: Place, lethe, tmp_path: Path) -> None:
    bad = tmp_path / "requests.jsonl"
    bad.write_text('["a"\n')
    outcome = lethe(arguments(place, tmp_path / "out", "--requests", str(bad), "--method", "safe"))
    assert outcome.code == 2
    assert "requests.jsonl:1: is not JSON" in outcome.err
    outcome = lethe(arguments(place, tmp_path / "out", "--method", "safe"))
    assert outcome.code == 2
    assert "--forget and --requests are both missing" in outcome.err
    bad.write_text('["nobody"]\n')
    outcome = lethe(arguments(place, tmp_path / "out", "--requests", str(bad), "--method", "safe"))
    assert outcome.code == 2
    assert "nobody" in outcome.err
