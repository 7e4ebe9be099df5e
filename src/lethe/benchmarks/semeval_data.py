"""SemEval-2025 task 4's data (LUME): three kinds of documents to forget and to keep, completed and asked about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.choices import read_choices
from lethe.benchmarks.reading import TEXT, Files
from lethe.errors import InputError

TITLE = "SemEval-2025 task 4"
INPUT, OUTPUT = "input", "output"
PARTS = {"sc": "regurgitation", "qa": "knowledge"}
KINDS = ("Task1", "Task2", "Task3")
MEMBERS, OTHERS, MMLU = "members", "nonmembers", "mmlu"
FILES = {MEMBERS: "member", OTHERS: "nonmember"}
_ID = re.compile(r'"?(?P<document>.+?)"?(?P<part>sc|qa)\d+')


def read_semeval(source: str, limit: int = 0) -> BenchmarkData:
    """Read a folder with the task's files.

    The tasks are `forget_task1_regurgitation`, `forget_task1_knowledge` and so on, for the three kinds of documents of
    both sets; `members` and `nonmembers` where there are documents for membership inference, and `mmlu`.

    Args:
        source: folder with `forget.jsonl` and `retain.jsonl` (columns id, input, output, task), and where there are any
            `member.jsonl` and `nonmember.jsonl` (column document), also in a folder `mia_data`, and `mmlu.jsonl`
            (see `read_choices`).
        limit: documents kept of each kind in each set, and questions of MMLU and documents for membership inference;
            0 keeps all.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a column or has an unknown id or task.
    """
    files = Files(source, TITLE)
    sets = {name: _limited(_documents(files, name), limit) for name in ("forget", "retain")}
    cells = {
        f"{name}_{kind.lower()}_{PARTS[part]}": [row for row in rows if (row["task"], row["part"]) == (kind, part)]
        for name, rows in sets.items() for kind in KINDS for part in PARTS
    }  # fmt: skip
    tasks: dict[str, Sequence[Row]] = {name: rows for name, rows in cells.items() if rows}
    inner = Path(source) / "mia_data"
    other = Files(str(inner), TITLE) if inner.is_dir() else files
    documents = {
        task: other.optional(name, document=TEXT) for task, name in ((MEMBERS, "member"), (OTHERS, "nonmember"))
    }
    if bool(documents[MEMBERS]) != bool(documents[OTHERS]):
        raise InputError(f"{other.source}: holds one of member.jsonl and nonmember.jsonl; give both, or neither")
    tasks |= {name: rows[: limit or None] for name, rows in documents.items() if rows}
    if questions := read_choices(files, MMLU):
        tasks[MMLU] = questions[: limit or None]
    plain = {name: [_pair(row) for row in rows] for name, rows in sets.items()}
    return BenchmarkData(plain["forget"], plain["retain"], tasks=tasks)


def _documents(files: Files, name: str) -> list[Row]:
    """Return the rows of a set, with the document and the part that their ids name."""
    rows: list[Row] = []
    for number, row in enumerate(files.rows(name, id=TEXT, input=TEXT, output=TEXT, task=TEXT)):
        found = _ID.fullmatch(str(row["id"]))
        place = f"{files.source}, {name}, row {number}"
        if found is None:
            raise InputError(
                f"{place}: the id '{row['id']}' ends neither in sc nor in qa and a number; name what it asks"
            )
        if row["task"] not in KINDS:
            raise InputError(f"{place}: the task is '{row['task']}'; there are {', '.join(KINDS)}")
        rows.append({**row, **found.groupdict()})
    return rows


def _limited(rows: Sequence[Row], limit: int) -> list[Row]:
    """Return the rows of the first documents of each kind."""
    kept: dict[object, dict[object, None]] = {}
    for row in rows:
        documents = kept.setdefault(row["task"], {})
        if not limit or len(documents) < limit:
            documents[row["document"]] = None
    return [row for row in rows if row["document"] in kept[row["task"]]]


def _pair(row: Row) -> Row:
    """Return a row for methods, which find prompt and answer by these names."""
    return {"id": row["id"], "prompt": row[INPUT], "answer": row[OUTPUT], "task": row["task"]}
