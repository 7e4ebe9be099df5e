"""Progress on the terminal: one live line a piece of work, on stderr, with the losses and the time left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Live

from lethe.progress import Bar, Progress

LINE_SECONDS = 15.0


def display(console: Console) -> Progress:
    """Return the progress that suits where the console goes: live bars on a terminal, now and then a line in a log."""
    return Bars(console) if console.is_terminal else Lines(console)


class Bars:
    """Live bars; they vanish when their work is done."""

    def __init__(self, console: Console) -> None:
        self._live = Live(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[values]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Show a bar until the block ends; bars may be nested."""
        if not self._live.tasks:
            self._live.start()
        task = self._live.add_task(label, total=total, values="")
        try:
            yield _LiveBar(self._live, task)
        finally:
            self._live.remove_task(task)
            if not self._live.tasks:
                self._live.stop()


class _LiveBar:
    def __init__(self, live: Live, task: TaskID) -> None:
        self._live, self._task = live, task

    def advance(self, count: int = 1, **values: float) -> None:
        """Move the bar and show the figures, where there are new ones."""
        if values:
            self._live.update(self._task, advance=count, values=_shown(values))
        else:
            self._live.update(self._task, advance=count)


class Lines:
    """A line every quarter of a minute: what a log file or a pipe can hold."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Announce work; what ends sooner than a quarter of a minute leaves no line."""
        yield _LineBar(self._console, label, total)


class _LineBar:
    def __init__(self, console: Console, label: str, total: int) -> None:
        self._console, self._label, self._total = console, label, total
        self._done, self._said = 0, time.monotonic()

    def advance(self, count: int = 1, **values: float) -> None:
        """Count, and write a line where the last one is long ago."""
        self._done += count
        if time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            self._console.print(f"{self._label} {self._done}/{self._total} {_shown(values)}".rstrip(), highlight=False)


def _shown(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
