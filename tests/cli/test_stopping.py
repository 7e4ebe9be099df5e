"""Killed or stopped at any moment, the same command goes on and ends in the same bits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lethe.cli import main
from lethe.cli.options import stoppable
from lethe.run import Run
from tests.texts import write_library

LONG = ("--set", "epochs=8", "--set", "learning_rate=0.02", "--set", "optimizer=adam")
START = "import sys; from lethe.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def straight(place, tmp_path_factory):
    """The weights of a run that nobody stopped."""
    run = tmp_path_factory.mktemp("straight") / "run"
    assert main(place.unlearn(run, *LONG, "--device", "cpu", "--quiet")) == 0
    return (run / "model" / "model.safetensors").read_bytes()


def started(arguments):
    """Start a command in a process of its own, with a checkpoint after every step."""
    environment = {**os.environ, "LETHE_CHECKPOINT_SECONDS": "0", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", START, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def under_way(process, run, steps=3):
    """Wait until the run has written `steps` checkpoints."""
    path, seen = run / "checkpoint" / "loop.safetensors", set()
    deadline = time.monotonic() + 120
    while len(seen) < steps:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "no checkpoint within two minutes"
        if path.exists():
            seen.add(path.stat().st_mtime_ns)
        time.sleep(0.005)


def test_kill_and_run_again(place, lethe, straight, tmp_path):
    """A killed process loses at most what followed its last checkpoint, and not one bit of the result."""
    run = tmp_path / "run"
    command = place.unlearn(run, *LONG, "--device", "cpu", "--quiet")
    process = started(command)
    under_way(process, run)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (run / "model" / "model.safetensors").exists()
    assert json.loads((run / "record.json").read_text())["status"] == "running"
    assert lethe(command).code == 0
    assert (run / "model" / "model.safetensors").read_bytes() == straight
    assert json.loads((run / "record.json").read_text())["cost"]["steps"] == 8 * 19


def test_kill_a_run_that_trains_an_adapter(lethe, tmp_path):
    """An adapter of a language model, its optimiser and its place in the plan come back to the bit as well."""
    library = write_library(tmp_path)
    settings = ("epochs=60", "batch_size=4", "learning_rate=0.003", "scope.rank=2")
    options = [word for setting in settings for word in ("--set", setting)]
    runs = [tmp_path / "straight", tmp_path / "killed"]
    commands = [library.unlearn(run, *options, "--scope", "lora", "--device", "cpu", "--quiet") for run in runs]
    assert lethe(commands[0]).code == 0
    process = started(commands[1])
    under_way(process, runs[1])
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (runs[1] / "model").exists()
    assert lethe(commands[1]).code == 0
    straight, again = ((run / "model" / "adapter_model.safetensors").read_bytes() for run in runs)
    assert straight == again


def test_ctrl_c_and_run_again(place, lethe, straight, tmp_path):
    """Ctrl-C ends with 130, a note and no traceback; the record says so; the same command goes on."""
    run = tmp_path / "run"
    command = place.unlearn(run, *LONG, "--device", "cpu", "--quiet")
    process = started(command)
    under_way(process, run)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert json.loads((run / "record.json").read_text())["status"] == "interrupted"
    assert lethe(command).code == 0
    assert (run / "model" / "model.safetensors").read_bytes() == straight


def test_a_second_ctrl_c_ends_the_process_at_once(monkeypatch, capsys):
    """Whoever cannot wait for the step to end must not have to look for the process."""
    run, ended = Run(), []
    monkeypatch.setattr(os, "_exit", ended.append)
    before = signal.getsignal(signal.SIGINT)
    with stoppable(run):
        signal.raise_signal(signal.SIGINT)
        assert run.stop.requested
        assert ended == []
        assert "again to stop at once" in capsys.readouterr().err
        signal.raise_signal(signal.SIGINT)
        assert ended == [130]
    assert signal.getsignal(signal.SIGINT) is before
