"""The same answers wherever jobs are worked on, and no job lost with the worker that had it."""

from __future__ import annotations

import os
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
