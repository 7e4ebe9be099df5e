"""`lethe bench`: a benchmark from the data to the table, for several methods and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lethe.catalogue import BENCHMARKS
from lethe.cli.bench_classification import NAME, SEEDS, TRIALS, Asked, compare
from lethe.cli.options import Device, Template, device_named, stoppable
from lethe.cli.terminal import Json, Quiet, note, print_json, progress, settings, stdout
from lethe.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from lethe.benchmarks.results import Results
    from lethe.methods.base import Method

NAMES = (*(benchmark.slug for benchmark in BENCHMARKS), NAME)
GENERATED = "generated"
COMPARISON = f"{NAME[0].upper()}{NAME[1:]}"


def bench(
    name: Annotated[str, typer.Argument(help=f"Name of the benchmark: {', '.join(NAMES)}.")],
    data: Annotated[
        str,
        typer.Option(help="Files of the benchmark, or its name on the hub, as locuslab/TOFU; `generated` draws faces."),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder of all models and results; the same command again goes on there.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="The model before it learnt what is to be forgotten; where none is trained, that knows it."),
    ] = "",
    split: Annotated[str, typer.Option(help="What to forget, where there are several; forget01 and so on.")] = "",
    methods: Annotated[
        str, typer.Option(help="Names of methods, with commas between; none evaluates what is there.")
    ] = "",
    seeds: Annotated[str, typer.Option(help="Seeds, with commas between: a run a method and seed. Else 0.")] = "",
    set_: Annotated[
        list[str],
        typer.Option("--set", help="METHOD.NAME=VALUE, a hyperparameter; tofu.length=100 of the benchmark itself."),
    ] = [],  # noqa: B006
    epochs: Annotated[int | None, typer.Option(help="Passes when target and gold are fine-tuned.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Step size of that.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help="Authors, subjects or documents kept, for small machines; 0 keeps all.")
    ] = None,
    target: Annotated[str, typer.Option(help="A model trained on everything; else one is made from --model.")] = "",
    gold: Annotated[str, typer.Option(help="A model trained on what is retained; else one is made.")] = "",
    device: Device = "auto",
    template: Template = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="The three settings on digits alone.", rich_help_panel=COMPARISON)
    ] = False,
    settings_: Annotated[
        str, typer.Option("--settings", help="Settings, with commas between; else all.", rich_help_panel=COMPARISON)
    ] = "",
    tune: Annotated[
        int | None, typer.Option(min=0, help="Trials of tuning a method and setting.", rich_help_panel=COMPARISON)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time, a process each.", rich_help_panel=COMPARISON)
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Markdown file for the tables.", rich_help_panel=COMPARISON)] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Prepare, unlearn and evaluate on a benchmark, and print one table.

    `classification` compares every method for classifiers on settings of lethe's own, with seeds 0,1,2; see below.

    Example: lethe bench classification --quick --workers 2

    Example: lethe bench tofu --model llama --data locuslab/TOFU --split forget10 --methods npo,simnpo --out tofu
    """
    names = [method_slug(part.strip()) for part in methods.split(",") if part.strip()]
    comparing = {"quick": quick, "settings": settings_, "tune": tune, "workers": workers, "page": page}
    own = {"split": split or None, "limit": limit, "epochs": epochs, "learning_rate": learning_rate}
    models = {"model": model, "target": target, "gold": gold}
    if name == NAME:
        given = {**own, **models, "data": data, "template": template, "device": device if device != "auto" else ""}
        _refuse(given, f"is for published benchmarks, and {NAME} brings its own data and models")
        asked = Asked(
            out=out or Path(f"bench-{NAME}"),
            methods=names,
            settings=[part.strip() for part in settings_.split(",") if part.strip()],
            quick=quick,
            seeds=_seeds(seeds) if seeds else SEEDS,
            trials=TRIALS if tune is None else tune,
            options=_by_method(set_),
            workers=workers or 1,
            page=page,
        )
        compare(asked, quiet, as_json)
        return
    _refuse(comparing, f"is for the benchmark {NAME}")
    given = {option: str(value) for option, value in own.items() if value is not None}
    _published(name, names, _by_method(set_), given, models, data, out, seeds or "0", device, template, quiet, as_json)


def _published(
    name: str,
    chosen: Sequence[str],
    per_owner: Mapping[str, Mapping[str, str]],
    given: Mapping[str, str],
    models: Mapping[str, str],
    data: str,
    out: Path | None,
    seeds: str,
    device: str,
    template: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run a published benchmark and print its table."""
    from lethe.benchmarks.image_running import ImageBench
    from lethe.benchmarks.images import ImageBenchmark
    from lethe.benchmarks.running import Bench
    from lethe.run import Run

    per_method = {method_slug(owner): options for owner, options in per_owner.items()}
    _check_names(per_method, [name, *chosen])
    benchmark = _built(name, {**given, **per_method.get(name, {})})
    if not data or out is None:
        raise ConfigurationError(f"{'--out' if data else '--data'} is missing; lethe bench {name} needs both")
    run = Run(device=device_named(device), progress=progress(quiet))
    of_images = isinstance(benchmark, ImageBenchmark)
    if of_images and data == GENERATED:
        models, data = _generated(models, out)
    common: dict[str, Any] = {
        **models,
        "data": data,
        "out": out,
        "methods": _methods(chosen, per_method, of_images),
        "seeds": _seeds(seeds),
        "device": run.device,
        "progress": run.progress,
        "stop": run.stop,
    }
    if of_images and template:
        raise ConfigurationError(f"--template {template}: is for language models, and {name} has images")
    prepared = (
        ImageBench(benchmark=benchmark, **common)
        if of_images
        else Bench(benchmark=benchmark, template=template, **common)
    )
    try:
        with stoppable(run):
            results = prepared()
    except KeyboardInterrupt:
        note(f"interrupted; the same command goes on with what is in {out}")
        raise
    _show(results, out, quiet, as_json)


def _generated(models: Mapping[str, str], out: Path) -> tuple[Mapping[str, str], str]:
    """Return drawn faces in the folder, and the untrained classifier for them where the user names no model."""
    from lethe.worlds.drawn_faces import DrawnFaces

    model, data = DrawnFaces().write(out / GENERATED)
    return {**models, "model": models["model"] or str(model)}, str(data)


def _refuse(options: Mapping[str, object], why: str) -> None:
    for option, value in options.items():
        if value not in (None, "", False):
            raise ConfigurationError(f"--{option.replace('_', '-')} {why}; leave it out")


def method_slug(name: str) -> str:
    """Return the method's name as the catalogue writes it, where it was given without underlines: `graddiff`."""
    from lethe import catalogue

    return {slug.replace("_", ""): slug for slug in catalogue.entries("method")}.get(name.replace("_", ""), name)


def _built(name: str, options: Mapping[str, str]) -> Any:
    from lethe import configure

    return configure.build(name, options, kind="benchmark")


def _by_method(pairs: list[str]) -> dict[str, dict[str, str]]:
    """Return the settings by what they belong to: `npo.beta=0.2` is beta=0.2 of npo."""
    found: dict[str, dict[str, str]] = {}
    for key, value in settings(pairs).items():
        owner, dot, option = key.partition(".")
        if not dot:
            raise ConfigurationError(f"--set {key}={value}: say of what, as in --set npo.{key}={value}")
        found.setdefault(owner, {})[option] = value
    return found


def _check_names(owners: Mapping[str, object], known: Sequence[str]) -> None:
    for owner in owners:
        if owner not in known:
            raise ConfigurationError(f"--set {owner}.…: {owner} takes no part in this benchmark{nearest(owner, known)}")


def _methods(
    names: Sequence[str], options: Mapping[str, Mapping[str, str]], of_images: bool = False
) -> dict[str, Method]:
    """Return the methods by name, with their settings.

    Raises:
        ConfigurationError: there is no such method or option, one stands twice, or one does not work on text, or on
            images where the benchmark has these.
    """
    from lethe import configure
    from lethe.tasks import CausalLM, Classification

    kind, called = (Classification, "image classifiers") if of_images else (CausalLM, "language models")

    made: dict[str, Method] = {}
    for name in names:
        if name in made:
            raise ConfigurationError(f"--methods names {name} twice; leave one out")
        method = configure.build(name, options.get(name, {}))
        if not any(issubclass(kind, task) for task in method.tasks):
            raise ConfigurationError(f"--methods {name}: does not work on {called}; see lethe methods")
        made[name] = method
    return made


def _seeds(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigurationError(f"--seeds {text}: expected whole numbers with commas between, as 0,1,2") from None
    if not found or len(set(found)) < len(found):
        raise ConfigurationError(f"--seeds {text}: give at least one seed, and each once")
    return found


def _show(results: Results, out: Path, quiet: bool, as_json: bool) -> None:
    if as_json:
        print_json(results.to_json())
        return
    console = stdout()
    console.print(results.table())
    if not quiet:
        rows = ", ".join(f"{name} {count}" for name, count in results.sizes.items())
        console.print(f"rows evaluated: {rows}", style="dim", highlight=False, soft_wrap=True)
        console.print(f"results: {out / 'results.json'} and results.csv", highlight=False, soft_wrap=True)
