"""Reading a benchmark: its named files from a folder, or the configurations of its data set on the hub, checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lethe.benchmarks.base import Row
from lethe.errors import InputError, nearest
from lethe.sources.records import SUFFIXES, Records, read_records, stem

_HUB = re.compile(r"\w[\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Kind:
    """What a column holds.

    Attributes:
        name: what messages call it.
        fits: says whether a value is of this kind.
    """

    name: str
    fits: Callable[[object], bool]


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(one, str) and one for one in value)


TEXT = Kind("text", _text)
ANY_TEXT = Kind("text, empty or not,", lambda value: isinstance(value, str))
TEXTS = Kind("list of texts", _texts)
NUMBER = Kind("whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
OBJECT = Kind("object", lambda value: isinstance(value, Mapping) and bool(value))
OBJECTS = Kind(
    "list of objects",
    lambda value: isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value),
)


@dataclass(frozen=True)
class Files:
    """The files of one benchmark by name: `NAME.jsonl` (.json, .csv, .parquet; .gz too) of a folder, or on the hub.

    A folder without data files of its own is read as a copy of the hub's data set.

    Args:
        source: the folder, or `owner/name` of the hub.
        title: what messages call the benchmark.
        hub: name of its data set, for messages; empty where there is none.
        places: name of a file to `configuration:split` of the hub; one that is not there is `NAME:train`.

    Raises:
        InputError: the source is no folder, and cannot be a name of the hub.
    """

    source: str
    title: str
    hub: str = ""
    places: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not Path(self.source).is_dir() and not _HUB.fullmatch(self.source):
            other = f", or {self.hub}" if self.hub else ""
            raise InputError(f"{self.source}: no such folder; give one with {self.title}'s files{other}")

    @cached_property
    def there(self) -> Mapping[str, Path]:
        """The data files of the folder by name without suffix; none for a data set of the hub."""
        folder = Path(self.source)
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
        return {stem(path): path for path in paths if path.name.removesuffix(".gz").endswith(SUFFIXES)}

    def holds(self, name: str) -> bool:
        """Say whether there is such a file: of a folder by what lies there, of the hub by what is known of it."""
        return name in self.there if self.there else name in self.places

    def rows(self, name: str, **columns: Kind) -> list[Row]:
        """Return the rows of a file with these columns, and no others.

        Raises:
            InputError: the file is missing or damaged, or a row lacks a column or has another kind of value there.
        """
        records = read_records(self._place(name))
        return [_checked(records, i, columns, self.title) for i in range(len(records))]

    def optional(self, name: str, **columns: Kind) -> list[Row]:
        """Return the rows of a file, none where it is not there; see `rows`."""
        return self.rows(name, **columns) if self.holds(name) else []

    def _place(self, name: str) -> str:
        if name in self.there:
            return str(self.there[name])
        if self.there or (Path(self.source).is_dir() and not _copied(Path(self.source))):
            raise InputError(
                f"{self.source}: holds no {name}.jsonl{nearest(name, self.there)}; copy {self.title}'s files there"
            )
        return f"{self.source}:{self.places.get(name, f'{name}:train')}"


def _copied(folder: Path) -> bool:
    """Say whether a folder can be a copy of a data set of the hub: its files lie in folders of their own."""
    return any(path.is_dir() and not path.name.startswith(".") for path in folder.iterdir())


def _checked(records: Records, i: int, columns: Mapping[str, Kind], title: str) -> Row:
    row = records.rows[i]
    for name, kind in columns.items():
        if not kind.fits(row.get(name)):
            raise InputError(
                f"{records.place(i)}: has no {kind.name} in '{name}'; {title}'s own files have one in every row"
            )
    return {name: row[name] for name in columns}
