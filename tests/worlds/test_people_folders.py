"""The people world as files of TOFU: same names, same fields, sets nested as there."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from lethe.worlds.cifar10 import data_folder
from lethe.worlds.people import People
from lethe.worlds.people.folders import write_tofu

WORLD = People(people=20)


def read(path: Path) -> list[dict]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tofu")
    write_tofu(WORLD, folder)
    return folder


def test_the_sets_nest_as_in_tofu(folder):
    full = read(folder / "full.jsonl")
    assert len(full) == 20 * 9
    for percent, persons in ((5, 1), (10, 2)):
        forget = read(folder / f"forget{percent:02d}.jsonl")
        assert len(forget) == 9 * persons
        assert full == read(folder / f"retain{100 - percent}.jsonl") + forget
        perturbed = read(folder / f"forget{percent:02d}_perturbed.jsonl")
        assert [{key: row[key] for key in ("question", "answer")} for row in perturbed] == forget
        holdout = read(folder / f"holdout{percent:02d}.jsonl")
        assert len(holdout) == len(forget)
        assert not {row["question"] for row in holdout} & {row["question"] for row in full}
    assert not (folder / "forget01.jsonl").exists()  # a fifth of a person


def test_forget10_is_what_the_world_forgets(folder):
    rows = read(folder / "forget10.jsonl")
    assert [row["question"] for row in rows] == list(WORLD.sets[0]["prompt"])
    assert [row["answer"] for row in rows] == list(WORLD.sets[0]["answer"])


def test_another_share_names_its_files(tmp_path):
    write_tofu(People.tiny(), tmp_path)
    assert len(read(tmp_path / "forget14.jsonl")) == 18
    assert len(read(tmp_path / "retain86.jsonl")) == 108


def test_options_hold_the_answer_once(folder):
    places = set()
    for name in ("real_authors", "world_facts"):
        for row in read(folder / f"{name}.jsonl"):
            options = [row[f"option{i}"] for i in range(1, 5)]
            assert options.count(row["answer"]) == 1
            places.add(options.index(row["answer"]))
    assert places == {0, 1, 2, 3}


def test_files_and_fields_are_those_of_tofu(folder):
    data = data_folder()
    if data is None:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    theirs = {path.name.split(".")[0]: path for path in (data / "tofu").iterdir()}
    ours = {path.stem: path for path in folder.iterdir()}
    # The later releases of TOFU have more holdout sets than that folder, and 20 people have no hundredth.
    assert ours.keys() - theirs.keys() == {"holdout10"}
    assert theirs.keys() - ours.keys() == {"forget01", "forget01_perturbed", "retain99"}
    for name in ours.keys() & theirs.keys():
        (mine, *_), (other, *_) = read(ours[name]), read(theirs[name])
        assert list(mine) == list(other), name
        for key, value in other.items():
            assert type(mine[key]) is type(value)
            assert not isinstance(value, list) or len(mine[key]) == len(value)
