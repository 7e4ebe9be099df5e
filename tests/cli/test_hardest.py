"""The hardest forget set, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Place

QUICK = ("--set", "rounds=2", "--set", "epochs=1")


def arguments(place: Place, out: Path, *more: str) -> list[str]:
    return ["hardest", "--model", str(place.model), "--data", str(place.data), "--out", str(out), *more]


def test_the_set_is_what_other_commands_forget(place: Place, lethe, tmp_path: Path) -> None:
    out = tmp_path / "hardest.txt"
    outcome = lethe(arguments(place, out, "--count", "40", *QUICK))
    assert outcome.code == 0, outcome.err
    assert "40 of 1297 examples" in outcome.out
    chosen = out.read_text().split()
    assert len(set(chosen)) == 40
    # A wrong label is soon told no more by a model that trains without it, and is never hard to forget.
    assert len(set(chosen) & set(place.problem.forget.ids)) <= 2
    run = lethe(place.unlearn(tmp_path / "run", forget=out, method="ssd"))
    assert run.code == 0, run.err
    assert json.loads((tmp_path / "run" / "record.json").read_text())["inputs"]["forget"] == str(out)


def test_the_easiest_are_those_that_were_memorised(place: Place, lethe, tmp_path: Path) -> None:
    outcome = lethe(arguments(place, tmp_path / "easy.txt", "--count", "40", "--easiest", "--json", *QUICK))
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["of"] == 1297
    assert len(set(found["ids"]) & set(place.problem.forget.ids)) > 20


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--count", "1297"), "takes 1 to 1296 of 1297; 1297 is out of range"),
        (("--count", "2", "--by", "person"), "no column 'person'"),
        (("--count", "2", "--set", "round=1"), "no option 'round'; did you mean 'rounds'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(place: Place, lethe, tmp_path: Path, more, said) -> None:
    outcome = lethe(arguments(place, tmp_path / "out.txt", *more))
    assert outcome.code == 2
    assert said in outcome.err.strip().splitlines()[-1]
    assert not (tmp_path / "out.txt").exists()


def test_the_folder_must_be_there(place: Place, lethe, tmp_path: Path) -> None:
    outcome = lethe(arguments(place, tmp_path / "no" / "out.txt", "--count", "2"))
    assert outcome.code == 2
    assert "there is no folder" in outcome.err
