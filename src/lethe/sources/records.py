"""Records: the rows of a data file with text, as they are stored, and where each of them stands."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lethe.errors import InputError

READABLE = (
    "give a .jsonl, .json, .csv, .tsv or .parquet file (.gz too), a folder of `datasets`, or a data set of the hub "
    "as owner/name:config:split"
)
TEXT_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
_HUB = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+){0,2}")


@dataclass(frozen=True, eq=False)
class Records:
    """The rows of one data file.

    Attributes:
        where: path of the file, or name of the data set, for messages.
        stem: what the rows are called after where they have no ids.
        rows: each a mapping from column to value; a column may be missing.
        lines: the line each row begins on, from 1; empty where the format has no lines.

    Raises:
        InputError: there are no rows.
    """

    where: str
    stem: str
    rows: Sequence[Mapping[str, object]]
    lines: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not self.rows:
            raise InputError(f"{self.where}: holds no rows; give data with at least one example")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order in which they appear."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    def column(self, name: str) -> list[object]:
        """Return the values of a column, None where a row has none."""
        return [row.get(name) for row in self.rows]

    def place(self, row: int) -> str:
        """Return the file with the line of a row, or with its number counted from 0, for messages."""
        return f"{self.where}:{self.lines[row]}" if self.lines else f"{self.where}, row {row}"


def read_records(source: str) -> Records:
    """Return the rows of a file, of a folder of `datasets` (`FOLDER:split`), or of a data set of the hub.

    Raises:
        InputError: there is nothing there, it is empty or damaged, or of a format that is not read.
    """
    from lethe.sources import record_sets

    path = Path(source)
    if path.is_file():
        return _read_file(path)
    folder, _, rest = source.partition(":")
    if Path(folder).is_dir():
        return record_sets.read_folder(Path(folder), tuple(filter(None, rest.split(":"))))
    if source.removesuffix(".gz").endswith(SUFFIXES) or not _HUB.fullmatch(source):
        raise InputError(f"{source}: no such file or folder; {READABLE}")
    name, *parts = source.split(":")
    return record_sets.read_hub(name, tuple(parts))


def stem(path: Path) -> str:
    """Return the file's name without its suffixes: `forget10` for `data/forget10.jsonl.gz`."""
    name = path.name.removesuffix(".gz")
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _read_file(path: Path) -> Records:
    from lethe.sources import record_files, record_sets

    content = path.read_bytes()
    if not content:
        raise InputError(f"{path}: is empty; {READABLE}")
    if content[:4] == b"PAR1":
        return record_sets.read_parquet(path)
    name = path.name
    if content[:2] == b"\x1f\x8b":
        content, name = _unpacked(path, content), name.removesuffix(".gz")
    text = _decoded(path, content)
    if name.endswith((".csv", ".tsv")):
        return record_files.read_csv(path, text, "\t" if name.endswith(".tsv") else ",")
    if not name.endswith(TEXT_SUFFIXES):
        raise InputError(f"{path}: not a data file lethe reads; {READABLE}")
    listed = name.endswith(".json") and text.lstrip().startswith("[")
    return record_files.read_list(path, text) if listed else record_files.read_lines(path, text)


def _unpacked(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: not a whole .gz file ({error}); copy it again from its source") from None


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: not UTF-8 text ({error.reason}); save the file in UTF-8") from None
