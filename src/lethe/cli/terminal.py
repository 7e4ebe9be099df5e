"""What commands share at the terminal: errors and warnings as one line on stderr, tables and JSON on stdout."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from lethe.errors import ConfigurationError, LetheError, LetheWarning
from lethe.progress import Progress, Silent

PIPED_WIDTH = 160
INTERRUPTED = 130

# Recent versions of typer bring their own copy of click: its base error is reached through a name typer exports.
UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")]


def guarded(command: Callable[[], object]) -> int:
    """Run a command and return its exit code; what it raises on purpose becomes one line on stderr."""
    try:
        with warnings.catch_warnings():
            _only_our_warnings()
            returned = command()
        sys.stdout.flush()
    except LetheError as error:
        return fail(str(error), error.exit_code)
    except UsageError as error:
        return fail(f"{error.format_message()} (see --help)", 2)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has seen enough (rich and typer make a SystemExit of it). Without what follows,
        # Python complains once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return fail(f"{error.filename or 'a file'}: {error.strerror or error}", 2)
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        return fail("there is not enough memory; lower --set batch_size, or choose --device cpu", 2)
    return returned if isinstance(returned, int) else 0


def _out_of_memory(error: Exception) -> bool:
    torch = sys.modules.get("torch")
    return isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError))


def fail(message: str, code: int) -> int:
    """Print an error as one line and return the exit code."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code


def note(message: str) -> None:
    """Print one line on stderr: something to know that is no result."""
    print(message, file=sys.stderr)


def _only_our_warnings() -> None:
    """Show what lethe warns of as one line, and nothing of the libraries' own talk to programmers."""

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        note(f"warning: {message}")

    warnings.simplefilter("ignore")
    warnings.simplefilter("always", LetheWarning)
    warnings.showwarning = show  # type: ignore[assignment]


def stdout() -> Console:
    """Return the console for results; wide enough for a table where nobody's screen sets the width."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPED_WIDTH)


def progress(quiet: bool) -> Progress:
    """Return where progress is shown: on stderr, or nowhere."""
    if quiet:
        return Silent()
    from lethe.display import display

    return display(Console(stderr=True))


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    print(json.dumps(value, indent=2))


def settings(pairs: list[str]) -> Mapping[str, str]:
    """Return `NAME=VALUE` texts as a mapping.

    Raises:
        ConfigurationError: a text is not of that form, or a name is set twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"--set {pair}: expected NAME=VALUE, as in --set keep=0.5")
        if name in found:
            raise ConfigurationError(f"--set {name} is given twice; choose one value")
        found[name] = value
    return found
