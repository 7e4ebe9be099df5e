"""Pool: the same function on many jobs, in this process, in several of this machine, or on a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, Protocol, TypeVar

import torch

from lethe.errors import ConfigurationError, StorageError

Job = TypeVar("Job")
Answer = TypeVar("Answer")
TRIES = 3


class Pool(Protocol):
    """Where jobs are worked on. Every job has one torch thread, so that the place changes no bit of the answer."""

    def map(self, work: Callable[[Job], Answer], jobs: Sequence[Job]) -> Iterator[Answer]:
        """Yield the answer to each job, in the order of the jobs; the first error of one is raised here.

        Args:
            work: a function of a module: other processes find it by its name.
            jobs: values that can be pickled.
        """

    def each(self, work: Callable[[Job], Answer], jobs: Sequence[Job]) -> Iterator[tuple[int, Answer | Exception]]:
        """Yield (place of the job, its answer or its error) as each is done.

        The error of one job stops no other. A job whose worker was killed is tried again, three times in all.
        """


@dataclass(frozen=True)
class Local:
    """Processes of this machine.

    Args:
        workers: how many at a time; 1 works in this process.

    Raises:
        ConfigurationError: there is no worker.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigurationError(f"workers must be at least 1, not {self.workers}")

    def map(self, work: Callable[[Job], Answer], jobs: Sequence[Job]) -> Iterator[Answer]:
        """Yield the answer to each job, in order.

        Raises:
            StorageError: a worker was killed, as by a machine out of memory.
        """
        if self.workers == 1 or len(jobs) < 2:
            for job in jobs:
                yield _alone(work, job)
            return
        with self._executor(len(jobs)) as executor:
            try:
                yield from executor.map(_alone, [work] * len(jobs), jobs)
            except BrokenProcessPool:
                raise StorageError(
                    "a worker process was killed, by the machine's lack of memory perhaps; run the same again with "
                    "fewer workers"
                ) from None

    def each(self, work: Callable[[Job], Answer], jobs: Sequence[Job]) -> Iterator[tuple[int, Answer | Exception]]:
        """Yield answers and errors as they come; workers that were killed are replaced."""
        if self.workers == 1:
            for place, job in enumerate(jobs):
                yield place, _caught(work, job)
            return
        left, tries = list(range(len(jobs))), [0] * len(jobs)
        while left:
            done = set[int]()
            with self._executor(len(left)) as executor:
                waiting = {executor.submit(_caught, work, jobs[place]): place for place in left}
                for future in as_completed(waiting):
                    try:
                        answer = future.result()
                    except BrokenProcessPool:
                        continue
                    done.add(waiting[future])
                    yield waiting[future], answer
            left = [place for place in left if place not in done]
            for place in left[: self.workers]:  # those that were being worked on
                tries[place] += 1
                if tries[place] == TRIES:
                    yield (
                        place,
                        StorageError(f"its worker was killed {TRIES} times; take fewer workers, or more memory"),
                    )
            left = [place for place in left if tries[place] < TRIES]

    def _executor(self, jobs: int) -> ProcessPoolExecutor:
        # Forking a process that has started threads can hang it.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(min(self.workers, jobs), context, initializer=_end_with_parent)


@dataclass(frozen=True)
class Ray:
    """Workers of a Ray cluster; needs the extra `lethe[ray]`.

    Args:
        address: of the cluster, as `auto` or `ray://host:10001`; `local` starts one on this machine.

    Raises:
        ConfigurationError: Ray is not installed, or there is no cluster at the address.
    """

    address: str = "auto"

    def map(self, work: Callable[[Job], Answer], jobs: Sequence[Job]) -> Iterator[Answer]:
        """Yield the answer to each job, in order; Ray starts again what a lost node was working on."""
        ray = self._connected()
        remote = ray.remote(_alone)
        waiting = [remote.remote(work, job) for job in jobs]
        for one in waiting:
            yield ray.get(one)

    def each(self, work: Callable[[Job], Answer], jobs: Sequence[Job]) -> Iterator[tuple[int, Answer | Exception]]:
        """Yield answers and errors as they come; Ray tries again elsewhere what a lost node was working on."""
        ray = self._connected()
        remote = ray.remote(_caught)
        waiting = {remote.options(max_retries=TRIES).remote(work, job): place for place, job in enumerate(jobs)}
        while waiting:
            (ready, *_), _ = ray.wait(list(waiting), num_returns=1)
            place = waiting.pop(ready)
            try:
                yield place, ray.get(ready)
            except ray.exceptions.RayError as error:
                yield place, StorageError(f"its worker was lost ({type(error).__name__}); run the same again")

    def _reach(self) -> None:
        """Raise ConfigurationError where nobody answers at the address; Ray itself would try for minutes."""
        host, _, port = self.address.removeprefix("ray://").rpartition(":")
        if host and port.isdigit():
            try:
                socket.create_connection((host, int(port)), timeout=5).close()
            except OSError as error:
                raise ConfigurationError(
                    f"--ray {self.address}: there is no cluster ({error.strerror or error}); start one with "
                    "ray start --head"
                ) from None

    def _connected(self) -> Any:
        try:
            import ray
        except ImportError:
            raise ConfigurationError("Ray is not installed; pip install 'lethe[ray]', or leave out --ray") from None
        if not ray.is_initialized():
            self._reach()
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level="error")
            except (ConnectionError, ValueError) as error:
                raise ConfigurationError(
                    f"--ray {self.address}: there is no cluster ({error}); start one with ray start --head"
                ) from None
        return ray


def _end_with_parent() -> None:
    """End this worker when the process that started it ends, killed or not: nobody would take its answers."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _alone(work: Callable[[Job], Answer], job: Job) -> Answer:
    """Return the answer to one job, worked on with one thread."""
    with one_thread():
        return work(job)


def _caught(work: Callable[[Job], Answer], job: Job) -> Answer | Exception:
    """Return the answer to one job, or the error it ended in."""
    try:
        return _alone(work, job)
    except Exception as error:  # whatever it is, it belongs to this job alone
        return error


@contextmanager
def one_thread() -> Iterator[None]:
    """Give torch one thread inside the block: the last bits of a sum depend on how many threads share it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
