"""The errors lethe raises on purpose: each is one line that names the culprit and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar


class LetheError(Exception):
    """Base of every error lethe raises on purpose; the command line prints it as one line.

    Attributes:
        exit_code: what the process exits with when the error reaches the command line.
    """

    exit_code: ClassVar[int] = 2


class InputError(LetheError):
    """A file, a row, a column or a model that the user gave is wrong."""


class ConfigurationError(LetheError):
    """An option, a name or a combination that the user asked for cannot be had."""


class StorageError(LetheError):
    """A run folder cannot be written, is in use, or belongs to another configuration."""


class Diverged(LetheError):
    """The run produced a number that is not finite and stopped at the last good checkpoint.

    Attributes:
        model: the model with the weights of that checkpoint, where there is one.
    """

    exit_code = 3

    def __init__(self, message: str, model: Any = None) -> None:
        super().__init__(message)
        self.model = model


class NotEnoughMemory(LetheError):
    """A forward pass does not fit into the memory of the device."""


class AuditIncomplete(LetheError):
    """An audit could not be finished; what was measured so far is kept."""

    exit_code = 3


class LetheWarning(UserWarning):
    """Something that the user should know of the model or the data; the command line prints it as one line."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint `; did you mean 'x'?` for a mistyped name, or the list of what exists.

    >>> nearest("salum", ["salun", "ssd"])
    "; did you mean 'salun'?"
    """
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there are: {', '.join(options)}" if options else ""
