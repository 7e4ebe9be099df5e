"""ORT's files: a folder a person, in which the same facts are asked for in several forms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.reading import TEXT, Files
from lethe.benchmarks.rwku_data import UTILITY
from lethe.errors import ConfigurationError, InputError, nearest

TITLE = "ORT"
FORMS: Mapping[str, str] = {"fb": "level1", "qa": "level2", "mcp": "mcp"}
"""How ORT calls its forms: fill in the blank, question and answer, multiple choice; and the files' endings."""

SIDES = ("forget", "neighbor")
PROBE = {"query": TEXT, "answer": TEXT, "subject": TEXT}
SHARED = ("retain_mmlu", "truthful", "triviaqa", "fluency")
_NUMBERED = re.compile(r"(\d+)_(.+)")


def read_ort(source: str, split: str, corpus: str, limit: int = 0) -> BenchmarkData:
    """Read the facts about one person, in all forms, from a folder with ORT's `Target`.

    Args:
        source: a folder that holds a folder a person, as `1_Stephen_King`, or holds one called `Target` that does.
        split: name of the person, with or without the number, underlines or blanks; empty takes the first.
        corpus: what is forgotten: `questions`, the pairs of the form QA, or the name of a file of the person's with
            texts in `text`, as `positive`.
        limit: most facts of a form; 0 keeps all.

    Raises:
        InputError: a folder or file is missing or damaged, or a row lacks a field.
        ConfigurationError: there is no such person.
    """
    folder = _person(source, split)
    files = Files(str(folder), TITLE)
    tasks: dict[str, Sequence[Row]] = {}
    for side in SIDES:
        for form, ending in FORMS.items():
            rows = files.rows(f"{side}_{ending}", **PROBE)
            if form == "mcp":
                _check_letters(rows, folder / f"{side}_{ending}")
            tasks[f"{side}_{form}"] = rows[:limit] if limit else rows
    for name in SHARED:
        rows = files.optional(name, **UTILITY[name])
        if rows:
            tasks[name] = rows[:limit] if limit else rows
    if corpus == "questions":
        forget: list[Row] = [{"question": row["query"], "answer": row["answer"]} for row in tasks["forget_qa"]]
    else:
        forget = files.rows(corpus, text=TEXT)
    return BenchmarkData(forget, (), tasks=tasks)


def _person(source: str, split: str) -> Path:
    root = Path(source) / "Target" if (Path(source) / "Target").is_dir() else Path(source)
    if not root.is_dir():
        raise InputError(f"{source}: no such folder; give one with ORT's folders of people, as 1_Stephen_King")
    found = [
        (int(match[1]), path) for path in root.iterdir() if path.is_dir() and (match := _NUMBERED.fullmatch(path.name))
    ]
    if not found:
        raise InputError(f"{source}: holds no folder of a person, as 1_Stephen_King; copy ORT's data there")
    people = [path for _, path in sorted(found)]
    if not split:
        return people[0]
    wanted = split.replace(" ", "_")
    for path in people:
        if wanted in (path.name, path.name.split("_", 1)[1]):
            return path
    raise ConfigurationError(f"ORT has no person '{split}'{nearest(wanted, [path.name for path in people])}")


def _check_letters(rows: Sequence[Row], file: Path) -> None:
    """Raise InputError where the answer to a multiple choice is none of its four letters."""
    for number, row in enumerate(rows):
        if row["answer"] not in ("A", "B", "C", "D") or f"{row['answer']}." not in str(row["query"]):
            raise InputError(
                f"{file}, row {number} (from 0): 'answer' is {row['answer']!r}, no option of its 'query'; "
                "options are A. to D., and the answer is a letter"
            )
