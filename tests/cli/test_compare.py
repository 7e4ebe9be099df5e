"""`lethe compare` writes one file, prints the table, or serves the page until Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from lethe.cli import main
from lethe.grid.cells import Spec
from lethe.grid.running import Grid
from lethe.grid.working import Looking
from tests.ui.samples import DIGITS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare") / "grid"
    looking = Looking(("forget_accuracy", "retain_accuracy"), (), 0)
    Grid(settings=(DIGITS,), specs=(Spec("ssd", "ssd"),), looking=looking, out=folder)()
    return folder


def test_one_file_holds_the_comparison(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "comparison.html"
    assert main(["compare", str(folder), "--static", str(out)]) == 0
    assert "the comparison is in" in capsys.readouterr().out
    assert 10_000 < out.stat().st_size < 5_000_000


def test_a_grid_has_a_report_of_its_own(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--quiet"]) == 0
    assert 'id="bundle"' in (folder / "report.html").read_text()
    assert main(["report", str(folder), str(tmp_path)]) == 2
    assert "is a grid, which has a report of its own" in capsys.readouterr().err


def test_the_table_is_json_for_scripts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(folder), "--json", "--quiet"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [run["role"] for run in table["runs"]] == ["original", "gold", "gold", "gold", "unlearned"]


def test_a_folder_without_runs_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_port_in_use_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["compare", str(folder), "--port", str(port), "--no-browser", "--quiet"]) == 2
    assert f"--port {port}: cannot be used" in capsys.readouterr().err


def test_the_page_is_served_until_ctrl_c(folder: Path) -> None:
    command = [sys.executable, "-m", "lethe", "compare", str(folder), "--port", "0", "--no-browser", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert found is not None
        with urllib.request.urlopen(f"{found[0]}api/runs", timeout=30) as answer:
            assert json.load(answer)["title"] == "grid"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
