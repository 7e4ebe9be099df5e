"""Run folders survive full disks, second processes and other configurations."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
import torch

from lethe.errors import StorageError
from lethe.store import Checkpoints, RunFolder, atomic, read_json, write_json


def test_a_full_disk_leaves_the_old_content_and_says_what_to_do(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    write_json(path, {"status": "done"})

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        write_json(path, {"status": "running"})
    assert read_json(path) == {"status": "done"}
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_numbers_that_are_not_json_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})


def test_a_folder_of_another_configuration_is_refused_and_names_the_difference(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_record({"configuration": {"seed": 0, "method": "a"}})
    folder.claim({"method": "a", "seed": 0})
    with pytest.raises(StorageError, match=r"another configuration \(differs in seed\)"):
        folder.claim({"method": "a", "seed": 1})


def test_two_processes_cannot_work_in_one_folder(tmp_path):
    other = (
        "import sys; from pathlib import Path; from lethe.store import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).owned():\n print('mine', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", other, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "mine\n"
        with pytest.raises(StorageError, match=f"process {process.pid} is working"), RunFolder(tmp_path).owned():
            pass
        process.kill()
    left = tmp_path / "model" / ".model.safetensors.1.part"
    left.parent.mkdir()
    left.touch()
    with RunFolder(tmp_path).owned():
        assert not left.exists()  # a killed owner leaves no lock behind, and its half-written file goes


@pytest.mark.parametrize("content", ["", "{", '{"a": 1'])
def test_a_half_written_record_is_named(tmp_path, content):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(StorageError, match=r"record\.json: not whole JSON"):
        RunFolder(tmp_path).record()


def test_checkpoints_come_back_whole_or_are_called_damaged(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    assert checkpoints.load("loop") is None
    checkpoints.save("loop", {"w": torch.tensor([1.0, 2.0])}, {"step": 3})
    tensors, facts = checkpoints.load("loop")
    assert tensors["w"].tolist() == [1.0, 2.0]
    assert facts == {"step": 3}
    file = tmp_path / "checkpoint" / "loop.safetensors"
    atomic(file, file.read_bytes()[:-3])
    with pytest.raises(StorageError, match="damaged checkpoint"):
        checkpoints.load("loop")
