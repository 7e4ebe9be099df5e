"""Plots of a grid: what was forgotten against what was kept and what it cost, and how soon it comes back."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lethe.errors import InputError
from lethe.store import EVIDENCE, read_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "html")
COLOURS = ("#2563eb", "#0f8a7e", "#a445e8", "#db2777", "#64748b", "#4d7c0f", "#0891b2", "#e11d48")
MARKS = "osD^Pv*X"
ORIGINAL, GOLD = "#c2410c", "#a16207"
UTILITIES = ("model_utility", "holdout_accuracy", "retain_accuracy", "retain_probability")
FORGOTTEN = ("average_gap", "forget_accuracy", "forget_probability", "forget_rouge")


def all_plots(table: pd.DataFrame, out: Path) -> Iterator[tuple[str, Figure]]:
    """Yield every plot that the grid's values allow, by name.

    Args:
        table: as `results.read` gives it.
        out: the grid's folder, where curves are read from the cells' evidence.
    """
    done = table[table["status"] == "done"]
    for setting in dict.fromkeys(done["setting"]):
        part = done[done["setting"] == setting]
        gaps = _gaps(part)
        for name, other in (("utility", _first(part, UTILITIES)), ("cost", "seconds")):
            if gaps is not None and other is not None:
                yield f"{setting}-{name}", _scatter(part, gaps, other, setting)
        curves = _curves(part, out)
        for attack in dict.fromkeys(attack for _, attack in curves):
            yield f"{setting}-{attack}", _recovery(attack, curves, setting, _looks(part))


def save(figure: Figure, path: Path) -> None:
    """Write a figure as the suffix of the path says; HTML holds it as SVG, with no request to anywhere."""
    if path.suffix == ".html":
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg")
        svg = buffer.getvalue()
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{path.stem}</title>'
        style = "<style>svg{max-width:100%;height:auto}</style>"
        page = f'<!doctype html><html lang="en">{head}{style}{svg[svg.index("<svg") :]}</html>'
        path.write_text(page, "utf-8")
    else:
        figure.savefig(path, dpi=160)


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the places of the points that no other beats in both: smaller first, larger second value; by the first.

    >>> pareto([(0.1, 0.8), (0.2, 0.9), (0.3, 0.7)])
    [0, 1]
    """
    front, highest = list[int](), float("-inf")
    for place in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[place][1] > highest:
            front.append(place)
            highest = points[place][1]
    return front


def _scatter(part: pd.DataFrame, gaps: str, other: str, setting: str) -> Figure:
    """Draw every method: the distance to gold against utility with the Pareto front, or cost against it."""
    figure, axes = _canvas()
    cost = other == "seconds"
    points: list[tuple[float, float]] = []
    for method, (colour, mark) in _looks(part).items():
        own = part[part["method"] == method]
        distance, value = _distances(own, gaps), _values(own, other)
        if not len(distance) or not len(value):
            continue
        points.append((float(distance.mean()), float(value.mean())))
        x, y = (value, distance) if cost else (distance, value)
        axes.errorbar(
            x.mean(), y.mean(), xerr=_spread(x), yerr=_spread(y), label=method, color=colour, marker=mark,
            markersize=8, linestyle="none", capsize=3,
        )  # fmt: skip
    title = f"distance to gold: {_title(part, gaps).lower()}"
    if cost:
        axes.set_xscale("log")
        axes.set(xlabel="seconds of unlearning", ylabel=title, title=setting)
    else:
        front = [points[i] for i in pareto(points)]
        axes.step(*zip(*front, strict=True), where="post", color="#94a3b8", linewidth=1, zorder=0, label="Pareto front")
        gold = _values(part, other, "gold")
        if len(gold):
            axes.axhline(gold.mean(), color=GOLD, linestyle="--", linewidth=1, label="gold")
        axes.set(xlabel=title, ylabel=_title(part, other), title=setting)
    _legend(axes)
    return figure


def _recovery(
    attack: str,
    curves: Mapping[tuple[str, str], Mapping[str, list[Any]]],
    setting: str,
    looks: Mapping[str, tuple[str, str]],
) -> Figure:
    """Draw what an attack brings back by its budget, for every method, the original and gold."""
    figure, axes = _canvas()
    references: dict[str, list[Any]] = {}
    for (method, title), lines in curves.items():
        if title != attack:
            continue
        for i, line in enumerate(lines["own"]):
            axes.plot(*zip(*line, strict=True), color=looks[method][0], label=method if i == 0 else None)
        references = {name: lines[name] for name in ("original", "gold")}
    for name, colour, style in (("original", ORIGINAL, ":"), ("gold", GOLD, "--")):
        for i, line in enumerate(references.get(name, [])):
            axes.plot(*zip(*line, strict=True), color=colour, linestyle=style, label=name if i == 0 else None)
    axes.set(xlabel="budget of the attack", ylabel="what is back", title=f"{setting}: {attack}")
    _legend(axes)
    return figure


def _curves(part: pd.DataFrame, out: Path) -> dict[tuple[str, str], dict[str, list[Any]]]:
    """Return the curves of attacks by method and attack: those of the seeds, of the original, of gold."""
    found: dict[tuple[str, str], dict[str, list[Any]]] = {}
    for row in part.drop_duplicates("folder").itertuples():
        path = out / str(row.folder) / EVIDENCE
        if not path.exists():
            continue
        for entry in read_json(path)["attacks"]:
            curve = entry["details"].get("curve")
            if not curve or len(curve) < 2:
                continue
            lines = found.setdefault((str(row.method), entry["title"]), {"own": []})
            lines["own"].append(curve)
            lines["original"] = [c for c in [entry["original_details"].get("curve")] if c]
            lines["gold"] = [c for c in (one.get("curve") for one in entry["gold_details"]) if c]
    return found


def _looks(part: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return colour and mark of each method, the same in every plot of a setting."""
    methods = dict.fromkeys(map(str, part["method"]))
    return {name: (COLOURS[i % len(COLOURS)], MARKS[i % len(MARKS)]) for i, name in enumerate(methods)}


def _canvas() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)


def _first(part: pd.DataFrame, names: Sequence[str]) -> str | None:
    there = set(part["metric"])
    return next((name for name in names if name in there), None)


def _gaps(part: pd.DataFrame) -> str | None:
    """Return the metric whose distance to gold is drawn."""
    known = part[part["gap"].notna() | (part["metric"] == "average_gap")]
    return _first(known, FORGOTTEN)


def _distances(own: pd.DataFrame, metric: str) -> pd.Series:
    rows = own[own["metric"] == metric]
    return (rows["value"] if metric == "average_gap" else rows["gap"].abs()).dropna()


def _values(own: pd.DataFrame, name: str, column: str = "value") -> pd.Series:
    if name == "seconds":
        return own.drop_duplicates("folder")["seconds"].dropna()
    return own[own["metric"] == name][column].dropna()


def _title(part: pd.DataFrame, metric: str) -> str:
    return str(part[part["metric"] == metric]["title"].iloc[0])


def _spread(values: pd.Series) -> float | None:
    return float(values.std()) if len(values) > 1 else None


def require_plots(names: Sequence[str]) -> None:
    """Raise InputError where nothing could be drawn."""
    if not names:
        raise InputError("nothing can be drawn: the grid has no gold models and no attack with a curve; add them")
