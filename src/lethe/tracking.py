"""Tracking: send the figures of a run's progress to an experiment tracker, such as TensorBoard or Weights & Biases."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lethe.errors import ConfigurationError, nearest
from lethe.progress import Bar, Progress

LOGS = "logs"


@contextlib.contextmanager
def tracked(progress: Progress, names: tuple[str, ...], folder: Path) -> Iterator[Progress]:
    """Yield a progress that shows what `progress` shows, and logs every figure to the trackers of these names.

    The trackers are those of Accelerate: `tensorboard` writes to `folder/logs`, `wandb`, `mlflow`, `comet_ml` and the
    others go where their own configuration says, under the folder's name.

    Raises:
        ConfigurationError: there is no such tracker, or its package is not installed.
    """
    if not names:
        yield progress
        return
    trackers = [_started(name, folder) for name in names]
    try:
        yield Tracked(progress, trackers)
    finally:
        for tracker in trackers:
            tracker.finish()


def _started(name: str, folder: Path) -> Any:
    from accelerate import PartialState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    PartialState()  # trackers ask it whether they are on the first process
    if name not in LOGGER_TYPE_TO_CLASS:
        raise ConfigurationError(f"there is no tracker '{name}'{nearest(name, LOGGER_TYPE_TO_CLASS)}")
    kind = LOGGER_TYPE_TO_CLASS[name]
    try:
        made = kind(folder.name, folder / LOGS) if kind.requires_logging_directory else kind(folder.name)
        made.start()
    except (ImportError, AttributeError, NameError):
        raise ConfigurationError(f"the tracker '{name}' is not installed; install it with pip install {name}") from None
    return made


class Tracked:
    """A progress whose figures are logged, each bar under its own label and counted in units of its work."""

    def __init__(self, shown: Progress, trackers: list[Any]) -> None:
        self._shown, self._trackers = shown, trackers

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Announce a piece of work, and log its figures."""
        with self._shown.bar(label, total) as bar:
            yield _TrackedBar(bar, label, self._trackers)


class _TrackedBar:
    def __init__(self, shown: Bar, label: str, trackers: list[Any]) -> None:
        self._shown, self._label, self._trackers, self._done = shown, label, trackers, 0

    def advance(self, count: int = 1, **values: float) -> None:
        """Count, show, and log the figures where there are any."""
        self._done += count
        self._shown.advance(count, **values)
        if values:
            named = {f"{self._label}/{name}": value for name, value in values.items()}
            for tracker in self._trackers:
                tracker.log(named, step=self._done)
