"""Rounds: what was measured of a model after each request of a stream, as values, a table, and a plot."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lethe.numbers import number

if TYPE_CHECKING:
    from rich.table import Table

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
        values: accuracy (or mean probability of the answer) `latest`, `forgotten`, `retain` and `holdout`, and the AUC
            of `membership`, 1/2 where the losses of forgotten and never seen examples do not differ.
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
        measure: what the values are: `accuracy` or `probability`.
        rounds: one a request, after the model before any.
    """

    method: Mapping[str, Any]
    measure: str
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
        for one in self.rounds:
            values = [_cell(one, name) for name in self.names]
            table.add_row(
                str(one.number) if one.number else "before", str(one.count), f"{one.seconds:.2f}", *values
            )
        return table

    def page(self) -> str:
        """Return an HTML page with a plot of every value and of the time a request took, against what is forgotten."""
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots

        panels = [TITLES[name] for name in self.names] + ["seconds a request took"]
        figure = make_subplots(
            rows=len(panels), cols=1, shared_xaxes=True, subplot_titles=panels, vertical_spacing=0.05
        )
        x = [one.count for one in self.rounds]
        for row, name in enumerate(self.names, start=1):
            y = [one.values.get(name) for one in self.rounds]
            figure.add_trace(_line(x, y, "the model", "#2563eb", "solid", row == 1), row=row, col=1)
            if any(one.gold for one in self.rounds):
                gold = [one.gold.get(name) for one in self.rounds]
                figure.add_trace(_line(x, gold, "retrained", "#a16207", "dash", row == 1), row=row, col=1)
            figure.update_yaxes(range=[0, 1.02], row=row, col=1)
        later = self.rounds[1:]
        seconds = go.Bar(x=x[1:], y=[one.seconds for one in later], marker={"color": "#64748b"}, showlegend=False)
        figure.add_trace(seconds, row=len(panels), col=1)
        figure.update_xaxes(title_text="examples forgotten so far", row=len(panels), col=1)
        figure.update_layout(
            title=f"Requests answered by {self.method.get('type', 'a method')}: {self.measure}",
            height=210 * len(panels), template="plotly_white",
            legend={"orientation": "h", "y": 1.02, "x": 1, "xanchor": "right"},
        )  # fmt: skip
        text: str = figure.to_html(include_plotlyjs=True, full_html=True)
        return text.replace("<head>", '<head><meta name="viewport" content="width=device-width, initial-scale=1">', 1)


def _line(x: Sequence[int], y: Sequence[float | None], name: str, colour: str, dash: str, shown: bool) -> Any:
    import plotly.graph_objects as go

    return go.Scatter(
        x=list(x), y=list(y), name=name, mode="lines+markers", line={"color": colour, "dash": dash}, showlegend=shown,
        connectgaps=True, legendgroup=name,
    )  # fmt: skip


def _cell(one: Round, name: str) -> str:
    if name not in one.values:
        return "-"
    own = number(one.values[name], "%") if name != "membership" else number(one.values[name], "")
    if name not in one.gold:
        return own
    gold = number(one.gold[name], "%") if name != "membership" else number(one.gold[name], "")
    return f"{own} ({gold})"
