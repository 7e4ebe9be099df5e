"""Files of text with a row a line or an entry: JSON Lines, JSON lists and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lethe.errors import InputError
from lethe.sources.records import Records, stem

FIELD_LIMIT = 2**30  # characters; Python's own limit of 128 KiB is less than a document
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?\d+\.\d*([eE][+-]?\d+)?|-?\d+[eE][+-]?\d+")


def read_lines(path: Path, text: str) -> Records:
    """Return the rows of JSON Lines: an object a line; empty lines do not count.

    Raises:
        InputError: a line does not parse or is no object.
    """
    rows: list[Mapping[str, object]] = []
    lines: list[int] = []
    # Not splitlines: the separators of Unicode may stand inside a JSON text.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = _parsed(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number}: not JSON ({error}); write one object a line") from None
        if not isinstance(row, dict):
            raise InputError(f'{path}:{number}: not an object; write one a line, as {{"prompt": …, "answer": …}}')
        rows.append(row)
        lines.append(number)
    return Records(str(path), stem(path), rows, lines)


def read_list(path: Path, text: str) -> Records:
    """Return the rows of a JSON list of objects.

    Raises:
        InputError: the file does not parse, or an entry is no object.
    """
    try:
        rows = _parsed(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not whole JSON ({error.msg}); write a list of objects") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); write a list of objects") from None
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f'{path}, row {number}: not an object; write {{"prompt": …, "answer": …}}')
    return Records(str(path), stem(path), rows)


def _parsed(text: str) -> Any:
    """Return the value of a JSON text; raises ValueError, also where half a character is escaped."""
    value = json.loads(text)
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it escapes half of a surrogate pair, which is no character") from None
    return value


def read_csv(path: Path, text: str, delimiter: str) -> Records:
    """Return the rows of a CSV file whose first line names the columns.

    A column in which every field is a number holds numbers, as it would in the other formats.

    Raises:
        InputError: the quoting is broken, a column has no name or the name of another, or a row has another number of
            fields than the first line.
    """
    names: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    for number, fields in _fields(path, text, delimiter):
        if not names:
            names = _names(path, fields)
        elif len(fields) != len(names):
            raise InputError(
                f"{path}:{number}: has {len(fields)} fields, the first line names {len(names)} columns; "
                "quote fields that hold the separator"
            )
        else:
            rows.append(fields)
            lines.append(number)
    columns = [_typed([row[place] for row in rows]) for place in range(len(names))]
    return Records(
        str(path), stem(path), [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)], lines
    )


def _fields(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of every row that is not empty."""
    before = csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    try:
        for fields in reader:
            if fields:
                yield number, fields
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{number}: not CSV ({error}); quote fields and double the quotes in them") from None
    finally:
        csv.field_size_limit(before)


def _names(path: Path, fields: list[str]) -> list[str]:
    names = [field.strip() for field in fields]
    for place, name in enumerate(names):
        if not name or name in names[:place]:
            fault = f"the name '{name}' stands twice" if name else f"column {place + 1} has no name"
            raise InputError(f"{path}:1: {fault}; give every column a name of its own")
    return names


def _typed(fields: list[str]) -> list[object]:
    """Return the fields as whole numbers or as decimals where all of them are such, else as they are."""
    if all(_WHOLE.fullmatch(field) for field in fields):
        return [int(field) for field in fields]
    if all(_WHOLE.fullmatch(field) or _DECIMAL.fullmatch(field) for field in fields):
        numbers = [float(field) for field in fields]
        if all(map(math.isfinite, numbers)):
            return list(numbers)
    return list(fields)
