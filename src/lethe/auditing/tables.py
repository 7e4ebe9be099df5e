"""Tables: several audited models beside original and gold, for the terminal, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lethe.auditing.evidence import Entry, Evidence
from lethe.errors import InputError
from lethe.numbers import MINUS, NOTHING, number, signed

if TYPE_CHECKING:
    from rich.console import Group

REFERENCE_COLUMNS = 3
TITLE_WIDTH = 26
LEGEND = "In brackets: gap to the gold mean, in standard deviations between gold models of different seeds."
_KINDS = ("forgetting", "utility", "privacy", "distance", "recovery")


@dataclass(frozen=True)
class Row:
    """One metric, or one other figure, of all models.

    Args:
        cells: its title, the original's value, gold's, and one a model.
        mute: whether the metric has no power here.
    """

    cells: tuple[str, ...]
    mute: bool = False


@dataclass(frozen=True)
class Comparison:
    """A table before it is set: metrics as rows, models as columns, so that it grows downwards.

    Args:
        columns: heading of each column.
        rows: metrics by kind, then average gap, time relative to retraining, and verdict.
        notes: legend, and what had no power.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def comparison(evidences: Sequence[Evidence]) -> Comparison:
    """Return the table of several models of one problem.

    Raises:
        InputError: there is no evidence, or two pieces of it speak of different problems.
    """
    _check(evidences)
    rows: list[Row] = []
    powerless: dict[str, str] = {}
    for name in _names(evidences):
        entries = [_found(evidence, name) for evidence in evidences]
        entry = next(one for one in entries if one is not None)
        mute = not entry.power.has_power
        if mute:
            # The figures of each stand in the evidence; here those that lack power for the same reason stand together.
            powerless[entry.title] = entry.power.reason.rpartition(": ")[2]
        title = f"{entry.title}{', %' if entry.unit == '%' else f', {entry.unit}' if entry.unit else ''}"
        cells = (_with_gap(one) if one else NOTHING for one in entries)
        rows.append(
            Row((f"{title} *" if mute else title, number(entry.original, entry.unit), _gold(entry), *cells), mute)
        )
    reasons = {reason: [t for t, r in powerless.items() if r == reason] for reason in dict.fromkeys(powerless.values())}
    notes = (LEGEND, *(f"* No power here: {', '.join(titles)}: {reason}." for reason, titles in reasons.items()))
    return Comparison(
        columns=("Metric", "Original", "Gold", *(evidence.name for evidence in evidences)),
        rows=(*rows, *_summary(evidences)),
        notes=notes,
    )


def terminal(evidences: Sequence[Evidence], width: int = 100) -> Group:
    """Return the table for a rich console; models that do not fit beside each other go into a further table."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    whole = comparison(evidences)
    tables: list[Table | Text] = []
    for chosen in _fitting(whole, width):
        table = Table(box=None, pad_edge=False, header_style="bold")
        for i in chosen:
            table.add_column(
                Text(whole.columns[i]), justify="right" if i else "left", max_width=None if i else TITLE_WIDTH
            )
        for row in whole.rows:
            table.add_row(*(Text(row.cells[i]) for i in chosen), style="dim" if row.mute else None)
        tables += [table, Text()]
    return Group(*tables, *(Text(note, style="dim") for note in whole.notes))


def markdown(evidences: Sequence[Evidence]) -> str:
    """Return the table in Markdown, with its notes below."""
    whole = comparison(evidences)
    lines = [whole.columns, ("---", *("--:" for _ in whole.columns[1:])), *(row.cells for row in whole.rows)]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n\n".join([table, *(note.replace("*", "\\*") for note in whole.notes)]) + "\n"


def latex(evidences: Sequence[Evidence]) -> str:
    """Return the table as a LaTeX `tabular` for the package booktabs, with its notes as comments below."""
    whole = comparison(evidences)
    lines = [" & ".join(_escaped(cell) for cell in cells) + r" \\" for cells in (r.cells for r in whole.rows)]
    return (
        "\n".join(
            [
                rf"\begin{{tabular}}{{l{'r' * (len(whole.columns) - 1)}}}",
                r"\toprule",
                " & ".join(_escaped(column) for column in whole.columns) + r" \\",
                r"\midrule",
                *lines,
                r"\bottomrule",
                r"\end{tabular}",
                *(f"% {note}" for note in whole.notes),
            ]
        )
        + "\n"
    )


def _check(evidences: Sequence[Evidence]) -> None:
    if not evidences:
        raise InputError("there is no evidence to show; audit a model first")
    first = evidences[0]
    for one in evidences[1:]:
        if one.data != first.data or one.models["original"] != first.models["original"]:
            raise InputError(f"'{one.name}' and '{first.name}' were audited on different problems; show them apart")


def _names(evidences: Sequence[Evidence]) -> list[str]:
    """Return the names of all metrics and attacks, by kind."""
    kinds: dict[str, str] = {}
    for evidence in evidences:
        kinds |= {entry.name: entry.kind for entry in (*evidence.metrics, *evidence.attacks)}
    return sorted(kinds, key=lambda name: _KINDS.index(kinds[name]))


def _found(evidence: Evidence, name: str) -> Entry | None:
    return next((entry for entry in (*evidence.metrics, *evidence.attacks) if entry.name == name), None)


def _summary(evidences: Sequence[Evidence]) -> Iterator[Row]:
    gaps = [evidence.average_gap for evidence in evidences]
    known = next((gap for gap in gaps if gap is not None), None)
    if known is not None:
        gold = number(sum(known.gold) / len(known.gold), "%") if known.gold else NOTHING
        own = (number(gap.value, "%") if gap is not None else NOTHING for gap in gaps)
        yield Row(("Average gap, %", number(known.original, "%"), gold, *own))
    relative = [evidence.cost["relative"] if evidence.cost else None for evidence in evidences]
    if any(ratio is not None for ratio in relative):
        yield Row(("Time / retraining", NOTHING, "1", *(f"{r:.2g}" if r is not None else NOTHING for r in relative)))
    yield Row(("Verdict", NOTHING, NOTHING, *(evidence.verdict.outcome for evidence in evidences)))


def _gold(entry: Entry) -> str:
    if entry.gold_mean is None:
        return NOTHING
    mean = number(entry.gold_mean, entry.unit)
    if entry.gold_spread is None:
        return mean
    return f"{mean}±{number(float(f'{entry.gold_spread:.2g}'), entry.unit)}"


def _with_gap(entry: Entry) -> str:
    value = number(entry.value, entry.unit)
    return value if entry.gap_in_spreads is None else f"{value} ({signed(entry.gap_in_spreads)})"


def _fitting(whole: Comparison, width: int) -> Iterator[list[int]]:
    """Yield the columns of each table: the references, and as many models as fit beside them, at least one."""
    padding = 2
    widths = [max(len(row.cells[i]) for row in whole.rows) for i in range(len(whole.columns))]
    widths = [max(w, len(heading)) + padding for w, heading in zip(widths, whole.columns, strict=True)]
    widths[0] = min(widths[0], TITLE_WIDTH + padding)
    references = list(range(REFERENCE_COLUMNS))
    chosen: list[int] = []
    for i in range(REFERENCE_COLUMNS, len(whole.columns)):
        if chosen and sum(widths[j] for j in (*references, *chosen, i)) - padding > width:
            yield references + chosen
            chosen = []
        chosen.append(i)
    yield references + chosen


_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", NOTHING: "--", MINUS: "$-$",
}  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
