"""`lethe stream`: deletion requests that arrive one after the other, and what becomes of the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.cli.options import (
    Columns,
    Context,
    Data,
    Device,
    Holdout,
    LongExamples,
    Retain,
    Seed,
    Template,
    device_named,
    stoppable,
)
from lethe.cli.terminal import Json, Quiet, note, print_json, progress, settings, stdout
from lethe.errors import ConfigurationError

if TYPE_CHECKING:
    from lethe.streams.requests import Requests
    from lethe.streams.rounds import Rounds


def stream(
    model: Annotated[str, typer.Option(help="Folder of a Hugging Face image classifier or language model.")],
    method: Annotated[str, typer.Option(help="Name of a method; lethe methods lists them.")],
    out: Annotated[Path, typer.Option(help="Folder of all models and figures; the same command again goes on there.")],
    forget: Annotated[
        str, typer.Option(help="What is forgotten in the end, as for lethe unlearn; else what --requests names.")
    ] = "",
    requests: Annotated[
        Path | None,
        typer.Option(help="File with a request a line, a JSON list of ids; else --forget is cut in --parts."),
    ] = None,
    parts: Annotated[int, typer.Option(min=1, help="Requests that --forget is cut into, in random order.")] = 10,
    data: Data = "",
    retain: Retain = None,
    holdout: Holdout = None,
    set_: Annotated[list[str], typer.Option("--set", help="NAME=VALUE, a hyperparameter of the method.")] = [],  # noqa: B006
    seed: Seed = 0,
    device: Device = "auto",
    template: Template = "",
    columns: Columns = "",
    too_long: LongExamples = "error",
    context: Context = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Answer a sequence of deletion requests, and measure the model after each.

    Example: lethe stream --model vit --data digits.npz --forget 'label == 3' --parts 10 --method safe --out stream
    """
    from lethe import configure
    from lethe.run import Run
    from lethe.sources import Inputs, assemble
    from lethe.store import atomic, write_json
    from lethe.streams.running import Stream

    chosen = configure.build(method, settings(set_))
    asked = _requests(requests)
    run = Run(seed=seed, device=device_named(device), progress=progress(quiet))
    given = Inputs(
        model=model,
        data=data,
        forget=forget or _named(asked, out),
        retain=retain,
        holdout=holdout,
        template=template,
        columns=columns,
        too_long=too_long,
        context=context,
    )
    problem = assemble(given.absolute(), folder=out, progress=run.progress)
    if asked is None:
        from lethe.streams.requests import cut

        asked = cut(problem.forget, parts, seed)
    try:
        with stoppable(run):
            rounds = Stream(method=chosen, requests=asked)(problem, out=out, run=run)
    except KeyboardInterrupt:
        note(f"interrupted; the same command goes on with what is in {out}")
        raise
    write_json(out / "stream.json", rounds.to_json())
    atomic(out / "stream.csv", rounds.to_csv().encode())
    _show(rounds, out, quiet, as_json)


def _requests(path: Path | None) -> Requests | None:
    from lethe.streams.requests import read_requests

    return read_requests(path) if path is not None else None


def _named(asked: Requests | None, out: Path) -> str:
    """Return a file with the ids of all requests, which is what is forgotten in the end."""
    from lethe.store import atomic

    if asked is None:
        raise ConfigurationError("--forget and --requests are both missing; say what is to be forgotten")
    path = out / "forget.txt"
    atomic(path, "".join(f"{name}\n" for ids in asked for name in ids).encode())
    return str(path)


def _show(rounds: Rounds, out: Path, quiet: bool, as_json: bool) -> None:
    if as_json:
        print_json(rounds.to_json())
        return
    stdout().print(rounds.table())
    if not quiet:
        print(f"{rounds.measure} after each request: stream.json and stream.csv in {out}; next: lethe plot {out}")
