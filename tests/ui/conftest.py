"""Small grids that several files look at; made once a session, never changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lethe.grid.cells import Spec
from lethe.grid.running import Grid
from lethe.grid.working import Looking
from lethe.ui.comparator import Comparator
from lethe.ui.comparison import Comparison
from tests.ui.samples import DIGITS, PEOPLE

CLASS, TEXT = DIGITS.name, PEOPLE.name


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid on the digits: one run a method."""
    folder = tmp_path_factory.mktemp("ui") / "digits"
    specs = (Spec("finetune", "finetune", {"epochs": "1"}), Spec("salun", "salun", {"epochs": "2"}))
    looking = Looking(("forget_accuracy", "retain_accuracy", "holdout_accuracy", "mia_confidence"), ("relearn",), 0)
    Grid(settings=(DIGITS,), specs=specs, looking=looking, out=folder)()
    return folder


@pytest.fixture(scope="session")
def digits(digits_folder: Path) -> Comparison:
    """Its comparison."""
    return Comparator()(digits_folder)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """The comparison of a grid on fictitious people."""
    folder = tmp_path_factory.mktemp("ui") / "people"
    spec = Spec("npo", "npo", {"epochs": "4", "batch_size": "12", "learning_rate": "1e-3"})
    Grid(settings=(PEOPLE,), specs=(spec,), looking=Looking(("forget_probability",), (), 0), out=folder)()
    return Comparator(most_texts=60)(folder)
