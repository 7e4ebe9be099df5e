"""What several commands take: options of the same name and meaning, the device, and Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.cli.terminal import INTERRUPTED, note
from lethe.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

    from lethe.run import Run

Retain = Annotated[str | None, typer.Option(help="What to keep: ids or a filter; else all the rest.")]
Holdout = Annotated[str | None, typer.Option(help="Data never trained on; else the data's own test split.")]
Gold = Annotated[list[str], typer.Option(help="Folder of a model retrained without the forget set.")]
Seed = Annotated[int, typer.Option(help="Seed of all randomness.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]


def device_named(name: str) -> torch.device:
    """Return the device; raises ConfigurationError where there is none of that name."""
    import torch

    from lethe.api import pick_device

    try:
        device = pick_device(name)
    except RuntimeError:
        raise ConfigurationError(f"--device {name}: there is no such device; choose auto, cpu or cuda") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(
            f"--device {name}: this machine shows {torch.cuda.device_count()} CUDA devices; choose another, or cpu"
        )
    return device


@contextlib.contextmanager
def stoppable(run: Run) -> Iterator[None]:
    """Let Ctrl-C ask the run to stop after its step; a second one ends the process at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if run.stop.requested:
            os._exit(INTERRUPTED)
        run.stop.requested = True
        note("stopping after this step; press Ctrl-C again to stop at once")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
