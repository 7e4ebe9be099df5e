"""What several commands take: options of the same name and meaning, the device, and Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from lethe.cli.terminal import INTERRUPTED, note
from lethe.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    import torch

    from lethe.parallel import Parallel
    from lethe.pool import Pool
    from lethe.run import Precision, Run

TEXT = "Language models"

Data = Annotated[
    str,
    typer.Option(help="Training data that --forget chooses from: image folder, .npz, or any of the formats of text."),
]
Retain = Annotated[
    str | None, typer.Option(help="What to keep: a file of text; with --data, ids or a filter, else all the rest.")
]
Holdout = Annotated[str | None, typer.Option(help="Data never trained on; else the test split of the images.")]
Template = Annotated[
    str,
    typer.Option(
        rich_help_panel=TEXT,
        help="qa, chat, plain, or 'Q: {prompt}\\nA: {answer}'; else chat where the tokenizer has it, else qa.",
    ),
]
Columns = Annotated[
    str,
    typer.Option(rich_help_panel=TEXT, help="Which columns to read, where not found: prompt=question,answer=label."),
]
LongExamples = Annotated[
    str,
    typer.Option(
        "--too-long", rich_help_panel=TEXT, help="What becomes of examples that do not fit: error, drop or cut-prompt."
    ),
]
Context = Annotated[
    int, typer.Option(rich_help_panel=TEXT, min=0, help="Tokens of the longest example; 0 for all the model reads.")
]
Gold = Annotated[list[str], typer.Option(help="Folder of a model retrained without the forget set.")]
Seed = Annotated[int, typer.Option(help="Seed of all randomness.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]


Workers = Annotated[
    int, typer.Option(min=1, help="Independent parts worked on at a time (shards, cells), a process each.")
]
RayAddress = Annotated[
    str, typer.Option("--ray", help="Address of a Ray cluster that works on them instead: auto, local, or host:port.")
]


def pool_named(workers: int, ray: str) -> Pool:
    """Return where independent parts are worked on."""
    from lethe.pool import Local, Ray

    return Ray(ray) if ray else Local(workers)


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


def precision_named(name: str) -> Precision:
    """Return the precision; raises ConfigurationError where there is none of that name."""
    from lethe.run import Precision

    for known in get_args(Precision):
        if name == known:
            return known
    raise ConfigurationError(f"--precision {name}: there is no such precision{nearest(name, get_args(Precision))}")


def processes(name: str) -> tuple[Parallel, torch.device]:
    """Return the processes that a launcher started with this one, or none but this, and the device it works on."""
    from lethe.parallel import Processes, launched

    parallel = launched(cpu=name == "cpu")
    return parallel, parallel.device if isinstance(parallel, Processes) else device_named(name)


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
