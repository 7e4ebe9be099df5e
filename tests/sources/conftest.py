"""Small pictures and a small language model on disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.texts import Library, write_library


@pytest.fixture
def pictures() -> np.ndarray:
    """Six random colour images of 8×6 (width × height), [6, 6, 8, 3] bytes."""
    return np.random.default_rng(0).integers(0, 256, (6, 6, 8, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, pictures: np.ndarray) -> Path:
    """Four of them as train/CLASS/NAME.png, two as test/CLASS/NAME.png."""
    places = ["train/cat/0", "train/cat/1", "train/dog/0", "train/dog/1", "test/cat/0", "test/dog/0"]
    for place, picture in zip(places, pictures, strict=True):
        path = tmp_path / "images" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return tmp_path / "images"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The tiny language model, its gold model and its texts; tests that change a folder copy it."""
    return write_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def copied(library: Library, tmp_path: Path) -> Path:
    """A copy of the model folder that a test may damage."""
    return Path(shutil.copytree(library.model, tmp_path / "copied"))
