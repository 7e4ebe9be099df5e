"""Progress: what long work tells whoever waits for it; silent unless somebody listens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol


class Bar(Protocol):
    """One piece of work under way."""

    def advance(self, count: int = 1, **values: float) -> None:
        """Report that `count` more units are done, with figures worth showing."""


class Progress(Protocol):
    """Where pieces of work are announced."""

    def bar(self, label: str, total: int) -> contextlib.AbstractContextManager[Bar]:
        """Announce a piece of work of `total` units."""


class _SilentBar:
    def advance(self, count: int = 1, **values: float) -> None:
        return None


class Silent:
    """Shows nothing: the default in Python and in tests."""

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Announce nothing."""
        yield _SilentBar()
