"""Tables of a grid: a summary for the terminal, in Markdown, LaTeX and CSV, and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import pandas as pd

from lethe.grid.summaries import Cell, Summary
from lethe.numbers import number

if TYPE_CHECKING:
    from rich.table import Table as RichTable

Shown = Literal["value", "gap", "both"]
FORMATS = ("terminal", "markdown", "latex", "csv")


def failures(table: pd.DataFrame) -> list[str]:
    """Return a line for every cell that failed, with the reason."""
    failed = table[table["status"] == "failed"]
    return [f"failed: {row.folder}: {row.reason}" for row in failed.itertuples()]


def terminal(found: Summary, show: Shown = "both") -> RichTable:
    """Return the table for a rich console."""
    from rich.table import Table

    rich = Table(box=None, pad_edge=False, header_style="bold")
    for name in found.row_names:
        rich.add_column(name.capitalize(), no_wrap=True)
    for title, unit in zip(found.titles, found.units, strict=True):
        rich.add_column(_headed(title, unit), justify="right")
    for row in found.rows:
        texts = []
        for column, unit in zip(found.columns, found.units, strict=True):
            cell = found.cells.get((row, column))
            text = _text(cell, unit, show)
            texts.append(f"[bold]{text}[/bold]" if cell is not None and cell.best else text)
        rich.add_row(*row, *texts)
    return rich


def markdown(found: Summary, show: Shown = "both", best: bool = True) -> str:
    """Return the table in Markdown, the best of each column in bold."""
    heads = [*(name.capitalize() for name in found.row_names), *map(_headed, found.titles, found.units)]
    lines = [_piped(heads), _piped(["---"] * len(found.row_names) + ["---:"] * len(found.columns))]
    for row in found.rows:
        lines.append(_piped([*(part.replace("|", "\\|") for part in row), *_texts(found, row, show, "**", "**", best)]))
    return "\n".join(lines) + "\n"


def latex(found: Summary, show: Shown = "both", best: bool = True) -> str:
    """Return the table in LaTeX (booktabs), the best of each column in bold."""
    heads = [*(name.capitalize() for name in found.row_names), *map(_headed, found.titles, found.units)]
    align = "l" * len(found.row_names) + "r" * len(found.columns)
    lines = [f"\\begin{{tabular}}{{{align}}}", "\\toprule", _ampersands(heads), "\\midrule"]
    for row in found.rows:
        texts = _texts(found, row, show, "\\textbf{", "}", best)
        lines.append(" & ".join([*map(_escaped, row), *(_mathed(text) for text in texts)]) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def csv(found: Summary) -> str:
    """Return the table as CSV: mean, spread, seeds, gap and marks of every metric."""
    text: str = pd.DataFrame(plain(found)).to_csv(index=False, lineterminator="\n")
    return text


def plain(found: Summary) -> list[dict[str, object]]:
    """Return the table as plain data: of every metric `_mean`, `_spread`, `_count`, `_gap`, `_best` and `_differs`."""
    rows = []
    for row in found.rows:
        values: dict[str, object] = dict(zip(found.row_names, row, strict=True))
        for column in found.columns:
            cell = found.cells.get((row, column))
            parts = ("mean", "spread", "count", "gap", "best", "differs")
            values |= {f"{column}_{part}": getattr(cell, part) if cell is not None else None for part in parts}
        rows.append(values)
    return rows


def _headed(title: str, unit: str) -> str:
    return f"{title} ({unit})" if unit else title


def _text(cell: Cell | None, unit: str, show: Shown) -> str:
    if cell is None:
        return "-"
    mean = number(cell.mean, unit)
    if cell.spread is not None:
        mean += f" ± {number(cell.spread, unit)}"
    mark = "*" if cell.differs else ""
    if show == "value" or cell.gap is None:
        return mean + mark
    gap = f"{'+' if cell.gap > 0 else ''}{number(cell.gap, unit)}"
    return (gap if show == "gap" else f"{mean} ({gap})") + mark


def _texts(found: Summary, row: tuple[str, ...], show: Shown, before: str, after: str, best: bool) -> list[str]:
    texts = []
    for column, unit in zip(found.columns, found.units, strict=True):
        cell = found.cells.get((row, column))
        text = _text(cell, unit, show)
        texts.append(f"{before}{text}{after}" if best and cell is not None and cell.best else text)
    return texts


def _piped(parts: Sequence[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _ampersands(parts: Sequence[str]) -> str:
    return " & ".join(map(_escaped, parts)) + r" \\"


def _escaped(text: str) -> str:
    signs = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {"\\": "\\textbackslash{}"}
    return "".join(signs.get(sign, sign) for sign in text)


def _mathed(text: str) -> str:
    return text.replace("±", r"$\pm$").replace("−", "$-$")
