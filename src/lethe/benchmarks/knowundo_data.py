"""KnowUnDo's files: what a law would have forgotten and what it would not, about the same people or books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.reading import OBJECTS, TEXT, Files
from lethe.errors import ConfigurationError, InputError, nearest

DOMAINS = ("privacy", "copyright")
SIDES = ("unlearn", "retention")
PLACES = {f"{domain}_{side}": f"{domain}:{side}" for domain in DOMAINS for side in SIDES}


def read_knowundo(source: str, split: str = "privacy", limit: int = 0) -> BenchmarkData:
    """Read a folder with `DOMAIN_unlearn_train`, `_val`, `DOMAIN_retention_train` and `_val`, or the hub's data set.

    Methods are given the `train` lists; the target is trained on the `val` lists as well, which are evaluated.

    Args:
        source: the folder, or `zjunlp/KnowUnDo`, whose files hold both lists in one row each.
        split: `privacy` or `copyright`.
        limit: rows kept of each list; 0 keeps all.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a column.
        ConfigurationError: there is no such split.
    """
    if split not in DOMAINS:
        raise ConfigurationError(f"KnowUnDo has no split '{split}'{nearest(split, DOMAINS)}")
    files = Files(source, "KnowUnDo", "zjunlp/KnowUnDo", PLACES)
    forget, asked = _lists(files, f"{split}_unlearn", limit)
    retain, kept = _lists(files, f"{split}_retention", limit)
    tasks = {"unlearn": asked, "retention": kept}
    return BenchmarkData(forget, retain, tasks=tasks, seen_forget=asked, seen_retain=kept)


def _lists(files: Files, name: str, limit: int) -> tuple[list[Row], list[Row]]:
    """Return the rows that are trained on and unlearnt, and those that are evaluated: {question, answer}."""
    if files.there and name not in files.there:
        lists: list[Sequence[Row]] = [
            files.rows(f"{name}_{which}", text=TEXT, labels=TEXT) for which in ("train", "val")
        ]
    else:
        whole = files.rows(name, train=OBJECTS, val=OBJECTS)
        lists = [_listed(row[which], f"{name}, {which}") for row in whole[:1] for which in ("train", "val")]
    first, second = ([_asked(row) for row in (rows[:limit] if limit else rows)] for rows in lists)
    return first, second


def _asked(row: Row) -> Row:
    return {"question": row["text"], "answer": row["labels"]}


def _listed(rows: object, where: str) -> Sequence[Row]:
    assert isinstance(rows, list)
    for i, row in enumerate(rows):
        for column in ("text", "labels"):
            value = row.get(column) if isinstance(row, Mapping) else None
            if not isinstance(value, str) or not value.strip():
                raise InputError(f"{where}, row {i}: has no text in '{column}'; restore the file")
    return rows
