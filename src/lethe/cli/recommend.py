"""`lethe recommend`: which systems fit what somebody needs, why, why not the others, and the command to run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from lethe.cli.terminal import Json, Quiet, note, print_json, stdout
from lethe.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from lethe.recommend import Advice, Request
    from lethe.recommend.motives import Evaluation
    from lethe.recommend.timing import Pace

TASKS = {"image classifier": "classification", "language model": "causal_lm"}


def recommend(
    task: Annotated[str, typer.Option(help="Kind of model: classification, causal_lm …; else that of --model.")] = "",
    goal: Annotated[
        str, typer.Option(help="What is to go: examples, class, concept, knowledge or bias; else any.")
    ] = "",
    no_retain: Annotated[
        bool, typer.Option("--no-retain", help="There are no data that must be kept; else there are.")
    ] = False,
    guarantee: Annotated[
        str, typer.Option(help="none, certified (a proven bound) or exact (as if retrained).")
    ] = "none",
    motive: Annotated[
        str, typer.Option(help="Why: privacy, copyright, harm, bias or incorrect; says what to look at in the audit.")
    ] = "",
    aims: Annotated[str, typer.Option(help="removal or suppression; else both.")] = "",
    budget: Annotated[str, typer.Option(help="Time it may take, as 30m or 1h; judged with --model and --forget.")] = "",
    model: Annotated[str, typer.Option(help="The model; its speed here is measured to judge the budget.")] = "",
    data: Annotated[str, typer.Option(help="Training data that --forget chooses from, as in lethe unlearn.")] = "",
    forget: Annotated[str, typer.Option(help="What to forget, as in lethe unlearn.")] = "",
    retain: Annotated[str, typer.Option(help="What to keep, as in lethe unlearn.")] = "",
    holdout: Annotated[str, typer.Option(help="Data never trained on; methods that read them fit only with it.")] = "",
    top: Annotated[int, typer.Option(min=1, help="How many to explain.")] = 5,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Recommend methods for a request.

    Example: lethe recommend --task causal_lm --no-retain --guarantee none --budget 1h
    """
    from lethe.recommend import recommend as advise

    if no_retain and retain:
        raise ConfigurationError("--no-retain says there are no data to keep, --retain names some; leave out one")
    paths = {"model": model, "data": data, "forget": forget, "retain": retain, "holdout": holdout}
    look = _look(motive)
    request = _request(task or _task_of(model), goal, not no_retain, bool(holdout), guarantee, aims, budget)
    speed = _pace(request, paths)
    if budget and speed is None:
        note("budget: not judged; give --model and --forget, so that the speed of this machine can be measured")
    advice = advise(request, speed)
    commands = {one.slug: command(one, request, paths) for one in advice if one.fits}
    if as_json:
        seen = list(look.of_task(request.task)) if look else []
        print_json([{**_plain(one, commands.get(one.slug)), "look_at": seen} for one in advice])
        return
    _print(advice, commands, top, quiet)
    if look and not quiet:
        named = ", ".join(look.of_task(request.task))
        where = f"Look at {named} first." if named else "Nothing that an audit of such models measures speaks of that."
        print(f"For {motive} it has to be shown that {look.words}. {where}")


def command(one: Advice, request: Request, paths: Mapping[str, str]) -> str:
    """Return the command that runs the method; words in capitals stand for what was not named."""
    words = ["lethe", "unlearn", "--model", paths["model"] or "MODEL"]
    of_text = request.task == "causal_lm"
    if paths["data"] or not of_text:
        words += ["--data", paths["data"] or "DATA"]
    words += ["--forget", paths["forget"] or "FORGET"]
    reads = (one.facts["needs"], one.settings.get("retain") != "none")
    if paths["retain"] or (request.retain and of_text and not paths["data"] and all(reads)):
        words += ["--retain", paths["retain"] or "RETAIN"]
    if paths["holdout"]:
        words += ["--holdout", paths["holdout"]]
    words += ["--method", one.slug]
    for name, value in one.settings.items():
        words += ["--set", f"{name}={value}"]
    return shlex.join([*words, "--out", f"runs/{one.slug}"])


def _request(task: str, goal: str, retain: bool, holdout: bool, guarantee: str, aims: str, budget: str) -> Request:
    from lethe.recommend import Request, seconds_of
    from lethe.recommend.request import Aim, Goal, Guarantee

    chosen: dict[str, Any] = {"goal": goal, "guarantee": guarantee, "aims": aims}
    for (name, value), known in zip(chosen.items(), (Goal, Guarantee, Aim), strict=True):
        if value not in get_args(known):
            words = [word for word in get_args(known) if word]
            raise ConfigurationError(f"--{name} {value}: there is no such {name}{nearest(value, words)}")
    seconds = seconds_of(budget) if budget else None
    return Request(task=task, retain=retain, holdout=holdout, budget=seconds, **chosen)


def _look(motive: str) -> Evaluation | None:
    """Return what speaks of the motive, None where there is none; raises ConfigurationError for an unknown one."""
    from lethe.recommend import EVALUATIONS

    known = {str(name): evaluation for name, evaluation in EVALUATIONS.items()}
    if motive and motive not in known:
        raise ConfigurationError(f"--motive {motive}: there is no such motive{nearest(motive, known)}")
    return known.get(motive)


def _task_of(model: str) -> str:
    if not model:
        raise ConfigurationError("say for which kind of model with --task classification or causal_lm, or give --model")
    from lethe.sources.kinds import kind_of

    return TASKS[kind_of(model)]


def _pace(request: Request, paths: Mapping[str, str]) -> Pace | None:
    """Return how fast this machine trains the model, None where model and forget set were not both named."""
    if request.budget is None or not (paths["model"] and paths["forget"]):
        return None
    from lethe.api import pick_device
    from lethe.recommend.timing import pace
    from lethe.sources import Inputs, assemble

    named = {name: value for name, value in paths.items() if value}
    problem = assemble(Inputs(**named).absolute())  # type: ignore[arg-type]
    return pace(problem, pick_device("auto"), retain_known=request.retain)


def _plain(one: Advice, run: str | None) -> dict[str, Any]:
    facts = ("row", "title", "tasks", "acts_on", "needs", "intent", "exactness", "aims", "source", "package")
    return {
        "slug": one.slug,
        "fits": one.fits,
        "reasons": list(one.reasons),
        **{name: one.facts[name] for name in facts},
        "approach": one.approach,
        "settings": dict(one.settings),
        "passes": vars(one.cost) if one.cost else None,
        "seconds": one.seconds,
        "distance_from_gold": one.measured.distance if one.measured else None,
        "command": run,
    }


def _print(advice: list[Advice], commands: Mapping[str, str], top: int, quiet: bool) -> None:
    console = stdout()

    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    fitting, others = [one for one in advice if one.fits], [one for one in advice if not one.fits]
    if not fitting:
        say("No system of the catalogue fits; the reasons follow. Ask for less, or provide more.", "bold")
    for place, one in enumerate(fitting[:top], start=1):
        say(f"{place}. {one.slug}: {one.facts['title']}", "bold")
        say(f"   {one.approach}; {'; '.join(one.reasons)}.")
        say(f"   {commands[one.slug]}")
    if fitting[top:]:
        say(f"\nalso fit, in this order: {', '.join(one.slug for one in fitting[top:])}")
    if quiet:
        return
    by_reason: dict[str, list[str]] = {}
    for one in others:
        by_reason.setdefault("; ".join(one.reasons), []).append(one.slug)
    for reason, slugs in by_reason.items():
        say(f"not {', '.join(slugs)}: {reason}", "dim")
    if fitting:
        say(
            "\nMeasured results come first; nothing here was measured on your data. Run two or three, then "
            "lethe audit --run RUN --gold RETRAINED: only that tells whether it is gone."
        )
