"""Drawn faces: pictures of a person resemble each other, and a benchmark of faces runs on them with nothing given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lethe.cli import main
from lethe.worlds.drawn_faces import AGES, DrawnFaces, Features, portrait


@pytest.fixture(scope="module")
def images() -> tuple[torch.Tensor, list[str], list[int]]:
    found = DrawnFaces(people=20, shots=4).examples()
    return found.tensor("image").float().flatten(1), list(found["identity"]), found.tensor("label").tolist()


def test_the_nearest_picture_is_of_the_same_person_more_often_than_by_chance(images) -> None:
    pixels, people, _ = images
    distances = torch.cdist(pixels, pixels).fill_diagonal_(float("inf"))
    same = [people[i] == people[int(j)] for i, j in enumerate(distances.argmin(1))]
    assert sum(same) / len(same) > 0.4  # 3 of 79 by chance


def test_all_pictures_of_a_person_have_one_age_and_the_seed_decides(images) -> None:
    pixels, people, ages = images
    assert len({*zip(people, ages, strict=True)}) == 20
    assert set(ages) <= set(range(AGES))
    again = DrawnFaces(people=20, shots=4).examples()
    assert torch.equal(again.tensor("image").float().flatten(1), pixels)
    other = DrawnFaces(people=20, shots=4, seed=1).examples()
    assert not torch.equal(other.tensor("image"), again.tensor("image"))


def test_hair_turns_grey() -> None:
    face = Features.drawn(torch.Generator().manual_seed(0))
    top = [portrait(face, age, 24, torch.Generator().manual_seed(1))[:4, 10:14].float().mean() for age in range(AGES)]
    assert top == sorted(top)


def test_a_benchmark_of_faces_needs_no_data_and_no_model(tmp_path: Path) -> None:
    sets = ("mufac.batch_size=32", "mufac.limit=24")
    arguments = ["bench", "mufac", "--data", "generated", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main([*arguments, *(word for one in sets for word in ("--set", one)), "--quiet"]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [one["name"] for one in found["models"]] == ["target", "gold"]
    assert found["rows"] == {"forget": 24, "test": 24, "holdout": 24}
