"""WPU's data: Wikipedia's pages of people to forget, and questions about them, people close to them and others."""

from __future__ import annotations

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.reading import TEXT, Files
from lethe.errors import ConfigurationError

TITLE, HUB = "WPU", "Shiyu-Lab/Wikipedia_Person_Unlearn"
SPLITS = ("forget_100", *(f"forget_20_{i}" for i in range(1, 4)), *(f"forget_2_{i}" for i in range(1, 6)))
PERSON, PAGE, QUESTION, ANSWER = "title", "wikipage", "question", "answer"


def read_wpu(source: str, split: str, limit: int = 0) -> BenchmarkData:
    """Read a folder with WPU's files, or the data set of the hub.

    What is forgotten are the pages of the people; the retain set, pages of others. The tasks are `forget`,
    `hard_retain`, people close to those that are forgotten, and `general_retain`, popular people.

    Args:
        source: folder with `forget_100`, `forget_100_hard_retain` and so on, `general_retain` (columns title, question
            and answer; of the forget files also wikipage) and `retain` (title and wikipage); or `owner/name`.
        split: `forget_100`, `forget_20_1` to `_3`, `forget_2_1` to `_5`, or any other that the folder holds.
        limit: people forgotten, and as many pages kept; of the other questions as many as there are about them.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a column.
        ConfigurationError: there is no such split.
    """
    files = Files(source, TITLE, HUB)
    there = [name for name in files.there if name.startswith("forget_") and not name.endswith("_retain")] or SPLITS
    if split not in there:
        raise ConfigurationError(f"{TITLE} has no split '{split}'; there are {', '.join(there)}")
    asked = files.rows(split, title=TEXT, wikipage=TEXT, question=TEXT, answer=TEXT)
    people = list(dict.fromkeys(str(row[PERSON]) for row in asked))[: limit or None]
    forget = [row for row in asked if row[PERSON] in people]
    most = len(forget) if limit else None
    tasks = {
        "forget": forget,
        "hard_retain": files.rows(f"{split}_hard_retain", title=TEXT, question=TEXT, answer=TEXT)[:most],
        "general_retain": files.rows("general_retain", title=TEXT, question=TEXT, answer=TEXT)[:most],
    }
    kept = files.rows("retain", title=TEXT, wikipage=TEXT)
    return BenchmarkData(_pages(forget), _pages(kept)[: limit or None], tasks=tasks)


def _pages(rows: list[Row]) -> list[Row]:
    """Return each different page once, as plain text with its title."""
    pages = {(str(row[PERSON]), str(row[PAGE])): None for row in rows}
    return [{"text": page, PERSON: person} for person, page in pages]
