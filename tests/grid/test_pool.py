"""The same answers wherever jobs are worked on, and no job lost with the worker that had it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lethe.errors import ConfigurationError, StorageError
from lethe.pool import Local, Ray


def square(number: int) -> int:
    if number < 0:
        raise ValueError("negative")
    return number * number


def dies_once(path: str) -> str:
    """Kill the process at the first try: the file says whether there was one."""
    if path and not Path(path).exists():
        Path(path).touch()
        os._exit(1)
    return path


def dies(_: int) -> None:
    os._exit(1)


def threads(_: int) -> int:
    return torch.get_num_threads()


def test_answers_come_in_the_order_of_the_jobs_and_errors_stop_no_other_job() -> None:
    assert list(Local().map(square, [3, 1, 2])) == [9, 1, 4]
    found = dict(Local().each(square, [2, -1, 3]))
    assert (found[0], found[2]) == (4, 9)
    assert isinstance(found[1], ValueError)
    assert list(Local().map(threads, [0])) == [1]


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    jobs = [str(tmp_path / "first"), "", ""]
    assert dict(Local(2).each(dies_once, jobs)) == dict(enumerate(jobs))


def works_for_a_minute(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)


def alive(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the processes that Linux shows in /proc")
def test_no_worker_outlives_a_process_that_was_killed(tmp_path: Path) -> None:
    """Nor works on for nobody, with both cores."""
    code = (
        "import sys; from lethe.pool import Local; from tests.grid.test_pool import works_for_a_minute\n"
        "if __name__ == '__main__': list(Local(2).map(works_for_a_minute, [sys.argv[1]] * 2))"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    folder = tmp_path / "pids"
    folder.mkdir()
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, str(script), str(folder)], env={**os.environ, "PYTHONPATH": str(root)})
    until(lambda: len(list(folder.iterdir())) == 2)
    workers = [int(one.name) for one in folder.iterdir()]
    assert all(map(alive, workers))
    parent.kill()
    parent.wait()
    until(lambda: not any(map(alive, workers)))


def until(condition: Callable[[], bool], seconds: float = 45) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_given_up() -> None:
    found = dict(Local(2).each(dies, [0, 1]))
    assert all(isinstance(answer, StorageError) and "killed 3 times" in str(answer) for answer in found.values())


def test_no_worker_and_no_cluster_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="workers must be at least 1"):
        Local(0)
    pytest.importorskip("ray", reason="needs the extra lethe[ray]")
    with pytest.raises(ConfigurationError, match="there is no cluster"):
        list(Ray("127.0.0.1:1").map(square, [1]))
