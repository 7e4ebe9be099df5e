"""A tiny trained ResNet and its digits on disk, as a user would have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lethe import models
from lethe.cli import main
from lethe.examples import Examples, concatenate
from lethe.problem import Problem
from lethe.worlds.digits import Digits

PREPROCESSOR = {
    "image_processor_type": "ViTImageProcessor", "do_resize": False, "do_rescale": True, "rescale_factor": 1 / 16,
    "do_normalize": True, "image_mean": [0.305], "image_std": [0.376],
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where the world lies on disk, and the same world in memory."""

    folder: Path
    problem: Problem

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def gold(self) -> Path:
        return self.folder / "gold"

    @property
    def data(self) -> Path:
        return self.folder / "data.npz"

    @property
    def ids(self) -> Path:
        return self.folder / "forget.txt"

    def unlearn(self, out: Path, *more: str, **instead: object) -> list[str]:
        """Return the arguments of a run; `instead` replaces an option's value, None leaves it out."""
        options: dict[str, object] = {
            "model": self.model, "data": self.data, "forget": self.ids, "method": "finetune", "out": out, **instead
        }  # fmt: skip
        return ["unlearn", *[t for n, v in options.items() if v is not None for t in (f"--{n}", str(v))], *more]


def write_model(model: object, folder: Path) -> Path:
    models.save(model, folder)  # type: ignore[arg-type]
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder


def write_data(path: Path, train: Examples, test: Examples | None = None, **more: object) -> Path:
    arrays = {"train_images": train["image"], "train_labels": train["label"], "train_ids": np.array(train.ids), **more}
    if test is not None:
        arrays |= {"test_images": test["image"], "test_labels": test["label"]}
    np.savez(path, **{name: np.asarray(value) for name, value in arrays.items()})
    return path


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The digits with wrong labels: original and one gold model, 1,297 training and 500 test images."""
    problem = Digits("mislabelled", architecture="resnet").problem(gold=(1,))
    folder = tmp_path_factory.mktemp("digits")
    write_model(problem.model, folder / "model")
    write_model(problem.gold[0], folder / "gold")
    write_data(folder / "data.npz", concatenate(problem.forget, problem.kept), problem.holdout)
    (folder / "forget.txt").write_text("\n".join(problem.forget.ids))
    return Place(folder, problem)


@dataclass(frozen=True)
class Outcome:
    """What a command left at the terminal."""

    code: int
    out: str
    err: str


@pytest.fixture
def lethe(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], Outcome]:
    """Run the command line in this process."""

    def run(arguments: list[str]) -> Outcome:
        capsys.readouterr()
        code = main(arguments)
        shown = capsys.readouterr()
        return Outcome(code, shown.out, shown.err)

    return run
