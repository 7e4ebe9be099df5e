"""Plot of a stream: the model after each request beside gold, and what each request took."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lethe.errors import InputError
from lethe.store import read_json
from lethe.streams.rounds import ERROR, TITLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STREAM = "stream.json"


def stream_plot(folder: Path) -> tuple[str, Figure] | None:
    """Return the plot of a stream's folder; None where it is none.

    Raises:
        InputError: the file is of another version.
    """
    path = folder / STREAM
    if not path.exists():
        return None
    from matplotlib.figure import Figure

    stream = read_json(path)
    if stream.get("version") != 1:
        raise InputError(f"{path}: is of another version; run lethe stream again")
    rounds = stream["rounds"]
    names = [name for name in TITLES if any(name in one["values"] for one in rounds)]
    figure = Figure(figsize=(7, 2.1 * (len(names) + 1)), layout="constrained")
    panels = figure.subplots(len(names) + 1, 1, sharex=True)
    x = [one["count"] for one in rounds]
    for axes, name in zip(panels, names, strict=False):
        for key, colour, style, label in (("values", "#2563eb", "-", "model"), ("gold", "#a16207", "--", "retrained")):
            points = [(at, one[key][name]) for at, one in zip(x, rounds, strict=True) if name in one[key]]
            if points:
                axes.plot(
                    *zip(*points, strict=True), color=colour, linestyle=style, marker="o", markersize=4, label=label
                )
        axes.set(title=TITLES[name])
        if stream["measure"] == ERROR and name != "membership":
            axes.set_ylim(bottom=0)
        else:
            axes.set_ylim(-0.02, 1.05)
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=9)
    panels[-1].bar(x[1:], [one["seconds"] for one in rounds[1:]], width=max(x[-1], 1) / (2 * len(x)), color="#64748b")
    panels[-1].set(title="seconds a request took", xlabel="examples forgotten so far")
    return "stream", figure
