"""Multiple choice: MMLU's questions as prompts that end before the letter of the answer."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lethe.auditing.measure_text import WRONG
from lethe.auditing.text_rows import TextRows
from lethe.benchmarks.base import Row
from lethe.benchmarks.reading import NUMBER, OBJECTS, TEXT, TEXTS, Files
from lethe.errors import InputError
from lethe.examples import Examples
from lethe.tasks import CausalLM


def read_choices(files: Files, name: str) -> list[Row]:
    """Return the rows of a file of MMLU's questions, none where it is not there.

    A row has `question`, `choices`, the place of the right one in `answer`, counted from 0, the subject in `task`, and
    solved `examples` with the same columns, which come before it.

    Raises:
        InputError: a row lacks a column, or names a choice that is not there.
    """
    rows = files.optional(name, question=TEXT, choices=TEXTS, answer=NUMBER, task=TEXT, examples=OBJECTS)
    for number, row in enumerate(rows):
        for one in (row, *_solved(row)):
            choices, answer = one.get("choices"), one.get("answer")
            if not isinstance(choices, list) or not isinstance(answer, int) or not 0 <= answer < len(choices):
                raise InputError(
                    f"{files.source}, {name}, row {number}: 'answer' is {answer!r}, the place of none of the choices; "
                    "count from 0"
                )
    return rows


def choice_examples(task: CausalLM, prefix: str, rows: Sequence[Row]) -> Examples:
    """Return the questions as examples whose answer is the letter of the right choice, and wrong answers the others.

    Args:
        task: plain text.
        prefix: what their ids begin with.
        rows: see `read_choices`.
    """
    wrong = np.empty(len(rows), dtype=object)
    right, prompts = [], []
    for i, row in enumerate(rows):
        letters = [f" {letter}" for letter in string.ascii_uppercase[: len(_list(row["choices"]))]]
        right.append(letters.pop(_number(row["answer"])))
        wrong[i] = tuple(letters)
        prompts.append(_prompt(row))
    return task.examples([f"{prefix}-{i}" for i in range(len(rows))], prompts, right, **{WRONG: wrong})


def chosen_right(rows: TextRows) -> Tensor:
    """Return 1 where the right choice is likelier than every other, else 0, [N] float64."""
    likeliest = torch.nan_to_num(rows.wrong, nan=-torch.inf).amax(1)
    return (rows.log.means(rows.log.log_probs) > likeliest).double()


def _prompt(row: Row) -> str:
    subject = str(row["task"]).replace("_", " ")
    solved = "".join(f"{_asked(one)} {string.ascii_uppercase[_number(one['answer'])]}\n\n" for one in _solved(row))
    return f"The following are multiple choice questions (with answers) about {subject}.\n\n{solved}{_asked(row)}"


def _asked(row: Mapping[str, object]) -> str:
    choices = zip(string.ascii_uppercase, _list(row["choices"]), strict=False)
    return "\n".join([str(row["question"]), *(f"{letter}. {choice}" for letter, choice in choices), "Answer:"])


def _solved(row: Row) -> list[Mapping[str, object]]:
    return _list(row["examples"])


def _list(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
