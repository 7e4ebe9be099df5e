"""Which examples are meant: a list of ids in a file, or a filter such as `label == 3 and group == "x"`."""

from __future__ import annotations

import ast
import json
import os
import textwrap
from pathlib import Path

import pandas as pd

from lethe.errors import InputError, nearest

LIST_SUFFIXES = (".txt", ".json")
NEAREST_AMONG = 5_000  # a close match over a million ids would take minutes

# Comparisons of columns with constants, and nothing that could call, look up or change anything.
_PLAIN = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Invert, ast.BinOp, ast.BitAnd,
    ast.BitOr, ast.Add, ast.Sub, ast.Mod, ast.FloorDiv, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE,
    ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple,
)  # fmt: skip


def is_list(spec: str) -> bool:
    """Whether the text names a file with ids, as opposed to a filter."""
    # Not Path.is_file: it raises for a filter that is too long to be a file's name.
    return spec.endswith(LIST_SUFFIXES) or os.path.isfile(spec)


def select(spec: str, columns: pd.DataFrame, option: str) -> list[int]:
    """Return the rows that the text means, in ascending order.

    Args:
        spec: path of a file with one id a line (`#` starts a comment) or a JSON list, or a filter over the columns.
        columns: what is chosen from; `id` holds the names.
        option: the option the text came from, for messages.

    Raises:
        InputError: the file names no id, an unknown one or one twice; the filter does not parse, is more than a
            comparison of columns, names an unknown column, or matches nothing or everything.
    """
    if is_list(spec):
        return _rows_of_ids(Path(spec), columns)
    return _matching(spec, columns, option)


def choose(forget: str, retain: str | None, columns: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Return the rows to forget and the rows to keep: those of `retain`, or all that are not forgotten.

    Raises:
        InputError: see `select`; nothing would be kept, or an example is in both.
    """
    chosen = select(forget, columns, "--forget")
    gone = set(chosen)
    if retain is None:
        kept = [row for row in range(len(columns)) if row not in gone]
        if not kept:
            raise InputError(f"{forget}: names all {len(columns)} examples; keep some, or train a model anew")
        return chosen, kept
    kept = select(retain, columns, "--retain")
    both = gone & set(kept)
    if both:
        raise InputError(
            f"--retain and --forget share {len(both)} examples (for one '{columns['id'][min(both)]}'); "
            "an example belongs to one of them"
        )
    return chosen, kept


def _rows_of_ids(path: Path, columns: pd.DataFrame) -> list[int]:
    position = {name: row for row, name in enumerate(columns["id"])}
    seen: dict[str, str] = {}
    rows = []
    for place, name in _read_ids(path):
        if name not in position:
            hint = nearest(name, position) if len(position) <= NEAREST_AMONG else ""
            raise InputError(f"{path}, {place}: unknown id '{name}': no such example among {len(position)}{hint}")
        if name in seen:
            raise InputError(f"{path}, {place}: the id '{name}' stands there twice (before: {seen[name]}); remove one")
        seen[name] = place
        rows.append(position[name])
    if not rows:
        raise InputError(f"{path}: names no example; write at least one id, one a line")
    return sorted(rows)


def _read_ids(path: Path) -> list[tuple[str, str]]:
    """Return (place in the file, id) for every id."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a file of ids, or a filter such as 'label == 3'") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; write one id a line in UTF-8") from None
    if path.suffix != ".json":
        lines = ((f"line {number}", line.split("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1))
        return [(place, name) for place, name in lines if name]
    try:
        listed = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not whole JSON ({error}); write a list of ids") from None
    if not isinstance(listed, list) or not all(isinstance(name, (str, int)) for name in listed):
        raise InputError(f'{path}: not a list of ids; write a JSON list such as ["a", "b"]')
    return [(f"entry {number}", str(name)) for number, name in enumerate(listed, 1)]


def _matching(spec: str, columns: pd.DataFrame, option: str) -> list[int]:
    where = f"{option} '{textwrap.shorten(spec, 80)}'"
    _check_plain(spec, columns, where)
    try:
        matches = columns.eval(spec, engine="python")
    except Exception as error:  # pandas lets through whatever the comparison of two columns raises
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: cannot be evaluated ({reason}); compare a column with values of its type") from None
    if not isinstance(matches, pd.Series) or not pd.api.types.is_bool_dtype(matches):
        raise InputError(f"{where}: is not true or false for each example; compare a column, as in 'label == 3'")
    rows = [row for row, match in enumerate(matches) if match]
    if not rows:
        raise InputError(f"{where}: matches none of the {len(columns)} examples; change the filter")
    if len(rows) == len(columns):
        raise InputError(f"{where}: matches all {len(columns)} examples and would leave none; change the filter")
    return rows


def _check_plain(spec: str, columns: pd.DataFrame, where: str) -> None:
    try:
        tree = ast.parse(spec.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"{where}: does not parse; write a filter such as 'label == 3', or a file of ids") from None
    for node in ast.walk(tree):
        if not isinstance(node, _PLAIN):
            raise InputError(
                f"{where}: a filter only compares columns with values and joins that with and, or, not; "
                f"it cannot contain {type(node).__name__.lower()}"
            )
        if isinstance(node, ast.Name) and node.id not in columns:
            raise InputError(f"{where}: there is no column '{node.id}'{nearest(node.id, map(str, columns))}")
