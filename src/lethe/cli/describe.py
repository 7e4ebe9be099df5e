"""`lethe describe`: what a method or a part of one does, needs and takes, and where it was published."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any

import typer
from rich.markup import escape

from lethe.catalogue import KINDS
from lethe.cli.terminal import Json, Quiet, print_json, stdout


def describe(
    slug: Annotated[
        str, typer.Argument(help="Name of a method, scope, step, weighting, metric, attack, benchmark or attribution.")
    ],
    kind: Annotated[str, typer.Option(help=f"Where the name is used twice, one of: {', '.join(KINDS)}.")] = "",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Describe a method, scope, step, weighting, metric, attack, benchmark or attribution.

    Example: lethe describe salun
    """
    facts = _facts(_kind(slug, kind), slug)
    if as_json:
        print_json(facts)
        return
    _print(facts, quiet)


def _kind(slug: str, kind: str) -> str:
    """Return the kind of thing that the name stands for.

    Raises:
        ConfigurationError: nothing or more than one thing has that name.
    """
    from lethe import catalogue
    from lethe.errors import ConfigurationError, nearest

    if kind:
        if kind not in KINDS:
            raise ConfigurationError(f"--kind {kind}: there is no such kind{nearest(kind, KINDS)}")
        return kind
    found = [name for name in KINDS if slug in catalogue.entries(name)]
    if not found:
        known = {other for name in KINDS for other in catalogue.entries(name)}
        raise ConfigurationError(f"nothing is called '{slug}'{nearest(slug, known)}")
    if len(found) > 1:
        raise ConfigurationError(f"'{slug}' is a {' and a '.join(found)}; say which with --kind {found[0]}")
    return found[0]


def _facts(kind: str, slug: str) -> dict[str, Any]:
    """Return everything known of an entry as plain data."""
    from lethe import catalogue, configure
    from lethe.methods.base import settings

    loaded = catalogue.find(kind, slug)
    options = [
        {"name": o.name, "type": o.type, "default": settings(o.default), "meaning": o.meaning}
        for o in configure.options(loaded)
    ]
    return {"kind": kind, **catalogue.describe(kind, slug), "about": _about(loaded), "options": options}


def _about(loaded: type[Any]) -> str:
    """Return the paragraphs of the docstring before its first section."""
    text = inspect.getdoc(loaded) or ""
    return re.split(r"^(?:Args|Source|Class attributes|Raises|Returns|Attributes):", text, flags=re.M)[0].strip()


def _print(facts: dict[str, Any], quiet: bool) -> None:
    from rich.table import Table

    console = stdout()
    console.print(f"[bold]{facts['slug']}[/bold] ({facts['kind']}, package {facts['package']})\n")
    console.print(escape(facts["about"]), highlight=False)
    for name in ("tasks", "needs", "acts_on", "intent", "exactness", "aims"):
        value = facts.get(name)
        if value:
            console.print(
                f"[bold]{name.replace('_', ' ')}:[/bold] {value if isinstance(value, str) else ', '.join(value)}"
            )
    if facts["source"]:
        console.print(f"[bold]source:[/bold] {escape(facts['source'])}", highlight=False)
    if facts["options"]:
        table = Table("option", "type", "default", "meaning")
        for option in facts["options"]:
            table.add_row(
                option["name"], escape(option["type"]), escape(_short(option["default"])), escape(option["meaning"])
            )
        console.print(table)
    if not quiet and facts["kind"] == "method":
        print(f"use it: lethe unlearn … --method {facts['slug']} --set OPTION=VALUE")


def _short(default: Any) -> str:
    """Return a default as one would write it; a part by the name of its type."""
    return str(default["type"]) if isinstance(default, dict) else str(default)
