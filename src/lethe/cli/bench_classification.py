"""`lethe bench classification`: every method for classifiers, tuned alike, in one table a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lethe.cli.terminal import note, print_json, progress, stdout
from lethe.errors import ConfigurationError

if TYPE_CHECKING:
    from lethe.grid.comparing import Line

NAME = "classification"
SEEDS = (0, 1, 2)
TRIALS = 6


@dataclass(frozen=True)
class Asked:
    """What the command line asked for.

    Attributes:
        out: folder of everything.
        methods: by name; empty for all.
        settings: by name; empty for all, or the quick ones.
        quick: whether these are the two on digits.
        seeds: of the runs.
        trials: of tuning.
        options: fixed options, by method.
        workers: processes.
        page: Markdown file to write; None for none.
    """

    out: Path
    methods: Sequence[str]
    settings: Sequence[str]
    quick: bool
    seeds: Sequence[int]
    trials: int
    options: Mapping[str, Mapping[str, str]]
    workers: int
    page: Path | None

    def command(self) -> str:
        """Return the command line that asks for it."""
        parts = [f"lethe bench {NAME}", *(["--quick"] if self.quick else [])]
        parts += [f"--settings {','.join(self.settings)}"] if self.settings else []
        parts += [f"--methods {','.join(self.methods)}"] if self.methods else []
        parts += [f"--set {owner}.{name}={value}" for owner, own in self.options.items() for name, value in own.items()]
        parts += [f"--seeds {','.join(map(str, self.seeds))}", f"--tune {self.trials}", f"--workers {self.workers}"]
        return " ".join([*parts, *([f"--page {self.page}"] if self.page else [])])


def compare(asked: Asked, quiet: bool, as_json: bool) -> None:
    """Run the comparison, print a table a setting, and write the page."""
    from lethe.grid import classification, comparing
    from lethe.grid.comparison_page import page
    from lethe.pool import Local

    if asked.page is not None and not asked.page.parent.is_dir():
        raise ConfigurationError(f"--page {asked.page}: there is no folder {asked.page.parent}; make it first")
    settings, skipped = classification.chosen_settings(asked.settings, asked.quick)
    for reason in skipped.values():
        note(f"skipped: {reason}")
    comparison = classification.Comparison(
        settings=settings,
        specs=classification.specs(asked.methods, asked.options),
        out=asked.out,
        seeds=asked.seeds,
        trials=asked.trials,
        pool=Local(asked.workers),
        progress=progress(quiet),
    )
    try:
        outcome = comparison()
    except KeyboardInterrupt:
        note(f"interrupted; the same command goes on with what is in {asked.out}")
        raise
    if asked.page is not None:
        from lethe.store import atomic

        atomic(asked.page, page(outcome, comparison, asked.command(), skipped).encode())
    found = {one.name: comparing.lines(outcome, one.name, comparison.specs) for one in settings}
    absent = {one.name: comparing.absent(outcome, one.name) for one in settings}
    if as_json:
        print_json({
            "settings": {name: [comparing.plain(line) for line in own] for name, own in found.items()},
            "absent": {name: dict(own) for name, own in absent.items()},
            "skipped": skipped,
        })  # fmt: skip
        return
    for name, own in found.items():
        _show(name, own)
        for label, reason in absent[name]:
            print(f"not run: {name}: {label}: {reason}")
    if not quiet:
        print(f"results: {asked.out / 'results.parquet'}" + (f"; page: {asked.page}" if asked.page else ""))


def _show(name: str, lines: Sequence[Line]) -> None:
    from rich.table import Table

    from lethe.grid.comparing import COLUMNS, text

    table = Table(title=name, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for title in ("Method", "Group"):
        table.add_column(title, no_wrap=True)
    for title in COLUMNS.values():
        table.add_column(title, justify="right", no_wrap=True)
    for line in lines:
        texts = [text(line, column) for column in COLUMNS]
        texts[0] = f"[bold]{texts[0]}[/bold]" if line.best else texts[0]
        table.add_row(line.label, line.group, *texts)
    stdout().print(table)
