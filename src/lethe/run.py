"""Run: what every method is given beside its problem: seed, device, progress, checkpoints, and a meter of its cost."""

from __future__ import annotations

import contextlib
import hashlib
import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import nn

from lethe.clock import Moment
from lethe.errors import Diverged
from lethe.parallel import Alone, Parallel
from lethe.pool import Local, Pool
from lethe.progress import Progress, Silent
from lethe.store import Checkpoints

Precision = Literal["fp32", "bf16", "mixed"]
Watch = Callable[[nn.Module], Mapping[str, float]]


@dataclass
class Cost:
    """What a run has used.

    Attributes:
        seconds: wall time of the unlearning itself, all attempts of a resumed run added.
        cpu_seconds: processor time of it, all threads of this process added; not that of other processes.
        steps: optimiser steps.
        examples: examples that went through the model, forward or forward and backward.
        flops: floating-point operations, those of the first step of each loop times the examples it saw.
        peak_bytes: peak memory: of the device on CUDA, of the process on the CPU.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    steps: int = 0
    examples: int = 0
    flops: float = 0.0
    peak_bytes: int = 0

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return dict(vars(self))

    def spend(self, time: Mapping[str, float], sign: int = 1) -> None:
        """Add wall and processor time, or with the sign -1 take it off."""
        self.seconds += sign * time["seconds"]
        self.cpu_seconds += sign * time["cpu_seconds"]

    def add(self, other: Mapping[str, float]) -> None:
        """Add the figures of a finished part; the peak is the larger of both."""
        self.spend(other)
        self.steps += int(other["steps"])
        self.examples += int(other["examples"])
        self.flops += other["flops"]
        self.peak_bytes = max(self.peak_bytes, int(other["peak_bytes"]))


@dataclass(frozen=True)
class Keep:
    """Which checkpoint of a watched run becomes its result.

    Args:
        metric: name of a watched value.
        sign: +1 keeps the largest value, -1 the smallest.
    """

    metric: str
    sign: int


@dataclass
class Stop:
    """A request to stop, shared by a run and its parts."""

    requested: bool = False


@dataclass
class Run:
    """The circumstances of one run.

    Args:
        seed: the seed all randomness of the run comes from.
        device: where the model works.
        progress: who is told how far it is.
        checkpoints: where to keep snapshots; None keeps none.
        checkpoint_seconds: shortest time between two snapshots; 0 takes one after every step.
        watch: measures the model now and then while it is being unlearned.
        watch_every: steps between two such measurements.
        keep: which of the measured states becomes the result; None takes the last.
        inputs: what the problem was read from, as plain data, for the record.
        spare: the copy of the original that was made for this run's device, if one was: it may leave the device once
            nobody reads it any more.
        parallel: the processes that share the run.
        pool: where independent parts of the work are done, such as the shards of exact methods.
        precision: `fp32`; `bf16` keeps weights and optimiser in bfloat16, half the memory; `mixed` keeps them in
            float32 and multiplies in bfloat16.
    """

    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Progress = field(default_factory=Silent)
    checkpoints: Checkpoints | None = None
    checkpoint_seconds: float = 20.0
    watch: Watch | None = None
    watch_every: int = 0
    keep: Keep | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    spare: nn.Module | None = None
    parallel: Parallel = field(default_factory=Alone)
    pool: Pool = field(default_factory=Local)
    precision: Precision = "fp32"
    path: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)
    history: list[dict[str, Any]] = field(default_factory=list)
    stop: Stop = field(default_factory=Stop)
    flops_per_example: float = 0.0

    @cached_property
    def base_seed(self) -> int:
        """The seed of the global generator at step 0 of a loop: dropout and nothing else draws from it."""
        return self.key("global")

    def key(self, *names: object) -> int:
        """Return a 63-bit seed that depends on the run's seed, its part and these names, and on nothing else."""
        text = "/".join(map(str, (self.seed, *self.path, *names)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1

    def generator(self, *names: object) -> torch.Generator:
        """Return a fresh CPU generator for one purpose: same run and names, same numbers, in whatever order asked."""
        return torch.Generator().manual_seed(self.key(*names))

    def part(self, name: str) -> Run:
        """Return the run of a part of the work (one of several models): own randomness and checkpoints, same meter."""
        inner = self.checkpoints.child(name) if self.checkpoints else None
        return Run(
            seed=self.seed,
            device=self.device,
            progress=self.progress,
            checkpoints=inner,
            checkpoint_seconds=self.checkpoint_seconds,
            parallel=self.parallel,
            pool=self.pool,
            precision=self.precision,
            path=(*self.path, name),
            cost=self.cost,
            stop=self.stop,
        )

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and messages."""
        return self.parallel.rank == 0

    def interrupt_point(self) -> None:
        """Raise KeyboardInterrupt where the user has asked to stop; called between units of work."""
        if self.stop.requested:
            raise KeyboardInterrupt

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a forward pass in the run's precision."""
        if self.precision == "mixed":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time of the block, and the peak memory up to its end, to the cost."""
        start = Moment()
        try:
            yield
        finally:
            self.cost.spend(start.passed())
            self.cost.peak_bytes = max(self.cost.peak_bytes, self._peak())

    def _peak(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def require_finite(self, value: torch.Tensor, what: str) -> None:
        """Raise Diverged where a value is NaN or infinite."""
        if not bool(torch.isfinite(value).all()):
            raise Diverged(f"{what} is no longer finite at step {self.cost.steps}; lower the learning rate")
