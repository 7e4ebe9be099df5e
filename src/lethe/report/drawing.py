"""What the plots of a report are drawn with: colours, lines, bars, and a layout for light, dark and print alike."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from lethe.numbers import shown

# Each has a contrast of at least 3 with the white and with the dark page.
ORIGINAL, GOLD = "#c2410c", "#a16207"
MODELS = ("#2563eb", "#0f8a7e", "#a445e8", "#db2777", "#64748b", "#4d7c0f", "#0891b2", "#e11d48")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "triangle-down")
FEW = 30
"""How many values a line may have to get a mark at each."""


@dataclass(frozen=True)
class Figure:
    """A plot with its words.

    Attributes:
        name: identifier on the page.
        title: heading.
        summary: what it shows, in words for those who cannot see it.
        caption: how to read it.
        spec: data and layout as plotly.js takes them.
        small: whether several stand side by side.
    """

    name: str
    title: str
    summary: str
    caption: str
    spec: Mapping[str, Any]
    small: bool = False


def plain(text: str) -> str:
    """Return text that plotly.js shows as it is, although it reads some tags of HTML.

    >>> plain("a<b>")
    'a&lt;b&gt;'
    """
    return html.escape(text, quote=False)


def percent(values: Sequence[float | None]) -> list[float | None]:
    """Return fractions as percentages; what is missing stays missing."""
    return [None if value is None else 100 * value for value in values]


def bars(name: str, x: Sequence[str], values: Sequence[float | None], colour: str, **more: Any) -> go.Bar:
    """Return a bar for each fraction, in percent."""
    return go.Bar(
        name=plain(name), x=[plain(label) for label in x], y=percent(values), marker={"color": colour},
        hovertext=[shown(value, "%") for value in values], hoverinfo="name+text",
    ).update(more)  # fmt: skip


def line(name: str, x: Sequence[Any], y: Sequence[float | None], colour: str, dash: str = "solid") -> go.Scatter:
    """Return a line, with a mark at each value where they are few; dashes tell original and gold apart as well."""
    return go.Scatter(
        name=plain(name), x=list(x), y=list(y), mode="lines+markers" if len(y) <= FEW else "lines",
        line={"color": colour, "dash": dash, "width": 2}, marker={"size": 7},
    )  # fmt: skip


def level(value: float, text: str, colour: str, side: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a horizontal line across the plot, and the words on it (`side`: `bottom` puts them above the line)."""
    stroke = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value}
    words = {"xref": "paper", "x": 1, "xanchor": "right", "y": value, "yanchor": side, "showarrow": False}
    return stroke | {"line": {"color": colour, "dash": "dash", "width": 1.5}}, words | {"text": plain(text)}


def drawn(traces: Sequence[Any], x_title: str, y_title: str, height: int = 380, **layout: Any) -> dict[str, Any]:
    """Return data and layout as plain JSON; the page's style sheet gives text and grid their colours."""
    figure = go.Figure(
        data=list(traces),
        layout={
            "template": "none", "height": height, "margin": {"l": 56, "r": 16, "t": 8, "b": 40}, "dragmode": False,
            "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "showlegend": True,
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
            "font": {"size": 13, "family": "system-ui, sans-serif"},
            "xaxis": {"title": {"text": plain(x_title)}}, "yaxis": {"title": {"text": plain(y_title)}},
        },
    )  # fmt: skip
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True, rangemode="tozero")
    figure.update_layout(**layout)
    spec: dict[str, Any] = json.loads(figure.to_json())
    return spec
