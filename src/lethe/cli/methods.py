"""`lethe methods`: every method there is, lethe's own and those of other installed packages."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from lethe.cli.terminal import Json, Quiet, print_json, stdout

FACTS = ("slug", "row", "title", "tasks", "acts_on", "needs", "intent", "exactness", "aims", "source", "package")


def methods(
    task: Annotated[str, typer.Option(help="Only methods for this kind of model, such as classification.")] = "",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the methods.

    Example: lethe methods --task classification
    """
    listed = _listed(task)
    if as_json:
        print_json(listed)
        return
    from rich.table import Table

    table = Table("method", "what it does", "needs", "aims at", "exactness", "package")
    for facts in listed:
        table.add_row(
            facts["slug"],
            escape(facts["title"]),
            ", ".join(facts["needs"]),
            facts["aims"],
            facts["exactness"],
            facts["package"],
        )
    stdout().print(table)
    if not quiet:
        print(f"{len(listed)} methods; more on one of them: lethe describe {listed[0]['slug']}")


def _listed(task: str) -> list[dict[str, Any]]:
    """Return the facts of the methods for a kind of model; raises ConfigurationError where there is no such kind."""
    from lethe import catalogue
    from lethe.errors import ConfigurationError, nearest

    every = [catalogue.describe("method", slug) for slug in sorted(catalogue.entries("method"))]
    kinds = {kind for facts in every for kind in facts["tasks"]}
    if task and task not in kinds:
        raise ConfigurationError(f"no method works on the task '{task}'{nearest(task, kinds)}")
    return [{name: facts[name] for name in FACTS} for facts in every if not task or task in facts["tasks"]]
