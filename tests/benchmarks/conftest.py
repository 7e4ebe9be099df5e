"""A folder with TOFU's files about fictitious people, and a tiny untrained model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from lethe.benchmarks.tofu import Tofu
from lethe.worlds.people import People
from lethe.worlds.people.folders import write_model, write_tofu

TOFU = Tofu(split="forget14", epochs=16, batch_size=16, learning_rate=5e-3)


@dataclass(frozen=True)
class Place:
    """Where the files lie.

    Attributes:
        data: TOFU's files: 14 persons, of whom two are to be forgotten, and two never trained on.
        base: the model that everything starts from.
    """

    data: Path
    base: Path

    def arguments(self, out: Path, *more: str, **instead: Any) -> list[str]:
        """Return the arguments of a quick run of `lethe bench tofu`; None leaves an option out."""
        options = {
            "model": self.base, "data": self.data, "split": TOFU.split, "out": out, "methods": "npo",
            "epochs": 2, "learning-rate": 3e-3, **instead
        }  # fmt: skip
        given = [text for name, value in options.items() if value is not None for text in (f"--{name}", str(value))]
        quick = ("npo.epochs=2", "npo.batch_size=9", "npo.learning_rate=0.001", "tofu.rows=12")
        return ["bench", "tofu", *given, *(text for one in quick for text in ("--set", one)), *more]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder, world = tmp_path_factory.mktemp("tofu"), People.tiny()
    write_tofu(world, folder / "data")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        write_model(world, world.network(), folder / "base")
    # So that the test of forget quality has something to go by: the same facts, asked in two more ways.
    with (folder / "data" / "forget14_perturbed.jsonl").open("a") as file:
        for row in (one for one in world.text.paraphrases if one.group == "forget"):
            more = {
                name: getattr(row, name) for name in ("question", "answer", "paraphrased_answer", "perturbed_answer")
            }
            file.write(json.dumps(more) + "\n")
    # A large model keeps the public facts it knew before; a tiny one learns them with the persons.
    with (folder / "data" / "retain86.jsonl").open("a") as file:
        for row in (*world.text.authors, *world.text.geography):
            file.write(json.dumps({"question": row.question, "answer": row.answer}) + "\n")
    return Place(folder / "data", folder / "base")


Changed = Callable[[str, Callable[[str], str | None]], Path]


@pytest.fixture
def changed(place: Place, tmp_path: Path) -> Changed:
    """A copy of the data with one file changed; None removes it."""

    def change(name: str, edit: Callable[[str], str | None]) -> Path:
        copy = tmp_path / "changed"
        copy.mkdir()
        for path in place.data.iterdir():
            text: str | None = path.read_text()
            if path.name == name and text is not None:
                text = edit(text)
            if text is not None:
                (copy / path.name).write_text(text)
        return copy

    return change
