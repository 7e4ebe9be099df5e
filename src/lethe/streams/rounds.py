"""Rounds: what was measured of a model after each request of a stream, as values and a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from lethe.numbers import number

if TYPE_CHECKING:
    from rich.table import Table

Measure = Literal["accuracy", "probability", "error"]
ERROR: Measure = "error"

TITLES = {
    "latest": "on the latest request",
    "forgotten": "on all forgotten so far",
    "retain": "on what is kept",
    "holdout": "on what was never seen",
    "membership": "forgotten told from never seen (AUC)",
}
"""What each measured value is called."""


@dataclass(frozen=True)
class Round:
    """One request and what it left.

    Attributes:
        number: 0 is the model before any request.
        count: examples forgotten so far.
        seconds: wall time of the request.
        steps: optimiser steps.
        examples: examples that went through the model for it.
        values: accuracy (or mean probability of the answer, or error of a regression model) `latest`, `forgotten`,
            `retain` and `holdout`, and the AUC of `membership`, 1/2 where the losses of forgotten and never seen
            examples do not differ.
        gold: the same of a model retrained on what is kept; empty where none was trained.
    """

    number: int
    count: int
    seconds: float
    steps: int
    examples: int
    values: Mapping[str, float]
    gold: Mapping[str, float]


@dataclass(frozen=True)
class Rounds:
    """A stream that was worked through.

    Attributes:
        method: its settings, as plain data.
        measure: what the values are: `accuracy`, `probability` or, in the unit of the task's loss, `error`.
        rounds: one a request, after the model before any.
    """

    method: Mapping[str, Any]
    measure: Measure
    rounds: Sequence[Round]

    def to_json(self) -> dict[str, Any]:
        """Return plain data for stream.json."""
        return {
            "version": 1,
            "method": dict(self.method),
            "measure": self.measure,
            "rounds": [asdict(one) for one in self.rounds],
        }

    @property
    def names(self) -> list[str]:
        """The names of the values, in their order."""
        there = {name for one in self.rounds for name in one.values}
        return [name for name in TITLES if name in there]

    def to_csv(self) -> str:
        """Return a line a round: number, forgotten, seconds, steps, examples, every value, and those of gold."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        head = ["round", "count", "seconds", "steps", "examples"]
        writer.writerow([*head, *self.names, *(f"gold_{name}" for name in self.names)])
        for one in self.rounds:
            own = [one.values.get(name, "") for name in self.names]
            gold = [one.gold.get(name, "") for name in self.names]
            writer.writerow([one.number, one.count, one.seconds, one.steps, one.examples, *own, *gold])
        return text.getvalue()

    def table(self) -> Table:
        """Return the table for a rich console, a row a round."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("request", "count", "seconds", *self.names):
            table.add_column(column, justify="right")
        shares = self.measure != ERROR
        for one in self.rounds:
            values = [_cell(one, name, shares and name != "membership") for name in self.names]
            table.add_row(str(one.number) if one.number else "before", str(one.count), f"{one.seconds:.2f}", *values)
        return table


def _cell(one: Round, name: str, share: bool) -> str:
    if name not in one.values:
        return "-"
    unit = "%" if share else ""
    own = number(one.values[name], unit)
    return f"{own} ({number(one.gold[name], unit)})" if name in one.gold else own
