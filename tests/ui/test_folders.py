"""What lies below a folder is found whoever made it, and what is damaged is named with the reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lethe.errors import InputError
from lethe.ui.folders import Found, runs_below
from lethe.ui.groups import grouped


def found(folder: Path) -> dict[str, Found]:
    return {run.name: run for run in runs_below(folder)[0]}


def edited(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def folder(digits_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(digits_folder / "cells", tmp_path / "copy" / "cells")).parent


def cell(folder: Path, method: str) -> Path:
    return next((folder / "cells").rglob(f"{method}/seed-0"))


def test_cells_of_a_grid_are_runs_of_its_settings(folder: Path) -> None:
    runs = found(folder)
    assert [(run.method, run.seed, run.options) for run in runs.values()] == [
        ("finetune", 0, {"epochs": "1"}),
        ("salun", 0, {"epochs": "2"}),
    ]
    (group,) = grouped(list(runs.values()))
    assert (group.name, len(group.runs)) == ("digits, one class", 2)
    assert group.evidence is not None


def test_runs_of_lethe_unlearn_are_grouped_by_their_problem_and_say_what_is_not_default(folder: Path) -> None:
    for path in folder.rglob("cell.json"):
        path.unlink()
    runs = found(folder)
    assert {run.method: run.options for run in runs.values()} == {"finetune": {"epochs": "1"}, "salun": {"epochs": "2"}}
    (group,) = grouped(list(runs.values()))
    assert group.name.startswith("problem ")
    with pytest.raises(InputError, match="name no files"):
        group.problem()


def test_a_cell_that_was_never_finished_belongs_to_its_setting(folder: Path) -> None:
    (cell(folder, "salun") / "cell.json").unlink()
    edited(cell(folder, "salun") / "record.json", status="running", result="")
    runs = found(folder)
    (group,) = grouped(list(runs.values()))
    (waiting,) = (run for run in group.runs if run.status != "done")
    assert (waiting.method, waiting.status) == ("salun", "incomplete")
    assert "not done (running)" in waiting.reason


def test_a_half_written_record_is_listed_and_the_rest_is_read(folder: Path) -> None:
    (cell(folder, "salun") / "record.json").write_text('{"version": 1, "sta')
    runs, unreadable = runs_below(folder)
    assert [run.method for run in runs] == ["finetune"]
    assert unreadable[0].folder.endswith("salun/seed-0")
    assert "not whole JSON" in unreadable[0].reason


def test_a_cell_without_its_record_is_half_written(folder: Path) -> None:
    (cell(folder, "salun") / "record.json").unlink()
    _, unreadable = runs_below(folder)
    assert "half-written: record.json is missing" in unreadable[0].reason


def test_a_record_that_lacks_an_entry_is_damaged(folder: Path) -> None:
    edited(cell(folder, "salun") / "record.json", configuration={})
    _, unreadable = runs_below(folder)
    assert "damaged (KeyError('problem'))" in unreadable[0].reason


def test_evidence_of_another_version_leaves_the_run_and_says_so(folder: Path) -> None:
    edited(cell(folder, "salun") / "evidence.json", version=1)
    run = found(folder)[str(cell(folder, "salun").relative_to(folder))]
    assert run.evidence is None
    assert "evidence of version 1" in run.complaint


def test_results_of_another_version_are_refused_in_one_line(folder: Path) -> None:
    for path in folder.rglob("cell.json"):
        edited(path, version=7)
    with pytest.raises(InputError, match=r"holds no run that can be shown; .*its cell is of version 7, .* reads 2"):
        runs_below(folder)


def test_a_folder_without_runs_and_one_that_is_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run that can be shown; give the --out of lethe unlearn"):
        runs_below(tmp_path)
    with pytest.raises(InputError, match="there is no such folder"):
        runs_below(tmp_path / "nowhere")


def test_models_that_a_benchmark_trained_are_no_runs(folder: Path) -> None:
    target = folder / "target"
    target.mkdir()
    configuration = {"method": {"type": "FineTune"}, "problem": {"model": "0", "examples": "1"}, "seed": 0}
    (target / "record.json").write_text(json.dumps({"version": 1, "status": "done", "configuration": configuration}))
    runs, unreadable = runs_below(folder)
    assert (len(runs), unreadable) == (2, [])
