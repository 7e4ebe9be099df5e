"""`lethe hardest`: the examples that are hardest to forget, as a forget set to try methods on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.cli.options import Device, Seed, device_named, stoppable
from lethe.cli.terminal import Json, Quiet, print_json, progress, settings
from lethe.errors import ConfigurationError

if TYPE_CHECKING:
    from lethe.auditing.worst_case import Hardest, HardestSet


def hardest(
    model: Annotated[str, typer.Option(help="Folder of a Hugging Face image classifier.")],
    data: Annotated[str, typer.Option(help="Its training data: image folder, .npz, Parquet, or a folder of datasets.")],
    count: Annotated[int, typer.Option(min=1, help="How many examples to choose; with --by, how many groups.")],
    out: Annotated[Path, typer.Option(help="File for the ids, one a line, as --forget of other commands reads them.")],
    by: Annotated[str, typer.Option(help="Column whose values are chosen as a whole; label for classes.")] = "",
    easiest: Annotated[bool, typer.Option("--easiest", help="Search for the easiest examples instead.")] = False,
    set_: Annotated[list[str], typer.Option("--set", help="NAME=VALUE, an option of the search.")] = [],  # noqa: B006
    seed: Seed = 0,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Search for the examples that a model keeps knowing although it was trained without them.

    Example: lethe hardest --model vit --data digits.npz --count 100 --out hardest.txt
    """
    from lethe.run import Run
    from lethe.sources.image_problem import training_set
    from lethe.store import atomic

    if not out.resolve().parent.is_dir():
        raise ConfigurationError(f"--out {out}: there is no folder {out.parent}; make it first")
    search = _search({**settings(set_), "count": str(count), "by": by, "easiest": str(easiest).lower()})
    run = Run(seed=seed, device=device_named(device), progress=progress(quiet))
    classifier, examples = training_set(model, data, run.progress)
    with stoppable(run):
        found = search(classifier.network, classifier.task, examples, run)
    atomic(out, "".join(f"{name}\n" for name in found.examples.ids).encode())
    if as_json:
        print_json({"ids": found.examples.ids, "of": len(examples), "objective": found.objective})
    elif not quiet:
        _say(found, len(examples), out)


def _search(options: dict[str, str]) -> HardestSet:
    from lethe import configure
    from lethe.auditing.worst_case import HardestSet

    search = configure.build("hardest_set", options, kind="guide")
    assert isinstance(search, HardestSet)
    return search


def _say(found: Hardest, total: int, out: Path) -> None:
    first, last = found.objective[0], found.objective[-1]
    print(
        f"{len(found.examples)} of {total} examples: {out}\n"
        f"their loss after fine-tuning without them: {last:.3g} nats in all; that of a random set: {first:.3g}\n"
        f"next: lethe unlearn … --forget {out}, and lethe audit beside gold that is trained without them"
    )
