"""Parallel: the processes that share one run; alone unless a launcher started several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError

BUCKET = 2**26  # numbers reduced at once: enough to keep a network busy, little beside the gradients themselves


class Parallel(Protocol):
    """Several processes that each work on a share of every batch and hold the same weights after every step.

    Attributes:
        count: the number of processes.
        rank: the number of this one, from 0; the first alone writes files and messages.
        sharded: whether each holds a part of the weights only.
    """

    @property
    def count(self) -> int: ...  # noqa: D102

    @property
    def rank(self) -> int: ...  # noqa: D102

    @property
    def sharded(self) -> bool: ...  # noqa: D102

    def shard(self, model: nn.Module, blocks: Sequence[nn.Module]) -> None:
        """Spread the model's weights over the processes, block by block, in place."""

    def reduce_gradients(self, weights: Sequence[Tensor]) -> None:
        """Replace each weight's gradient by its sum over processes."""

    def reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over processes, in place."""

    def agreed(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether it is set on any process."""

    def wait(self) -> None:
        """Return when all processes have come here."""


class Alone:
    """One process: nothing to share."""

    count = 1
    rank = 0
    sharded = False

    def shard(self, model: nn.Module, blocks: Sequence[nn.Module]) -> None:
        """There is nobody to share with."""

    def reduce_gradients(self, weights: Sequence[Tensor]) -> None:
        """There is nothing to add."""

    def reduce(self, tensors: Sequence[Tensor]) -> None:
        """There is nothing to add."""

    def agreed(self, *flags: bool) -> tuple[bool, ...]:
        """Return the flags: nobody else has a say."""
        return flags

    def wait(self) -> None:
        """There is nobody to wait for."""


class Processes:
    """The processes that `accelerate launch` (or torchrun) started, on CPUs or one a GPU.

    Gradients are added up once an update, after all parts of a batch: one exchange instead of one a part, and steps
    that differentiate twice need nothing of their own. With FSDP chosen in Accelerate's configuration
    (`accelerate launch --use_fsdp`) weights, gradients and optimiser are spread over the processes as well.

    Args:
        cpu: work on CPUs though there may be GPUs.
    """

    def __init__(self, cpu: bool) -> None:
        from accelerate import PartialState

        self._state = PartialState(cpu=cpu)
        self.count: int = self._state.num_processes
        self.rank: int = self._state.process_index
        self.device: torch.device = self._state.device
        self.sharded: bool = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"

    def shard(self, model: nn.Module, blocks: Sequence[nn.Module]) -> None:
        """Spread the model's weights over the processes, block by block, in place."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule, fully_shard

        mesh = init_device_mesh(self.device.type, (self.count,))
        for module in (*blocks, model):
            fully_shard(module, mesh=mesh)
            assert isinstance(module, FSDPModule)
            # Parts are shares of one batch, so their gradients add up; the default would average them.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(self.device.type == "cpu")

    def reduce_gradients(self, weights: Sequence[Tensor]) -> None:
        """Replace each weight's gradient by its sum over processes; what no process reached stays without one."""
        if self.sharded:
            return  # added up while they were computed
        reached = torch.tensor([float(w.grad is not None) for w in weights], device=self.device)
        self.reduce([reached])
        gradients = []
        for weight, by in zip(weights, reached.tolist(), strict=True):
            if by:
                weight.grad = weight.grad if weight.grad is not None else torch.zeros_like(weight)
                gradients.append(weight.grad)
        self.reduce(gradients)

    def reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over processes, in place, many at a time."""
        from torch import distributed

        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            distributed.all_reduce(flat)
            for tensor, part in zip(bucket, flat.split([t.numel() for t in bucket]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def agreed(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether it is set on any process."""
        votes = torch.tensor([float(flag) for flag in flags], device=self.device)
        self.reduce([votes])
        return tuple(vote > 0 for vote in votes.tolist())

    def wait(self) -> None:
        """Return when all processes have come here."""
        self._state.wait_for_everyone()


def launched(cpu: bool = False) -> Parallel:
    """Return the processes that a launcher started together with this one, or Alone."""
    return Processes(cpu) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else Alone()


def require_whole(parallel: Parallel, what: str) -> None:
    """Raise ConfigurationError where a process does not hold whole weights, which `what` reads."""
    if parallel.sharded:
        raise ConfigurationError(f"{what} needs whole weights in every process; launch without FSDP")


def _buckets(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Return the tensors in groups of one type and at most about BUCKET numbers."""
    groups: list[list[Tensor]] = []
    size = 0
    for tensor in tensors:
        if not groups or groups[-1][0].dtype != tensor.dtype or size + tensor.numel() > BUCKET:
            groups.append([])
            size = 0
        groups[-1].append(tensor)
        size += tensor.numel()
    return groups
