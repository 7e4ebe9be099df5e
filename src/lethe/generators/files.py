"""Questions and answers from a file of the user's."""

from __future__ import annotations

import json
from pathlib import Path

from lethe.errors import InputError
from lethe.generators.base import Asked


def read_questions(path: str) -> list[Asked]:
    """Return the questions and answers of a JSON Lines file with the fields `question` and `answer`.

    Raises:
        InputError: the file cannot be read, is empty, or a line is no such object.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: questions cannot be read ({error}); give a JSON Lines file") from None
    found: list[Asked] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found.append(Asked(str(row["question"]), str(row["answer"])))
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}, line {number}: write an object with the fields question and answer") from None
    if not found:
        raise InputError(f"{path} holds no question; give a JSON Lines file with the fields question and answer")
    return found
