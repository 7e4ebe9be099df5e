"""Benign text: examples from a file that the attacker brings along."""

from __future__ import annotations

import json
from pathlib import Path

from lethe.errors import InputError
from lethe.examples import Examples
from lethe.tasks import CausalLM


def read_examples(path: str, task: CausalLM) -> Examples:
    """Return the texts of a file as examples; those that are too long for the model end where its context ends.

    Args:
        path: `.jsonl` with a field `text`, or `prompt` and `answer`, in each line; anything else is plain text with an
            example a line.
        task: how the model is fed.

    Raises:
        InputError: the file cannot be read, holds no text, or a line of JSON has no such fields.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); name a text file, or retain or holdout") from None
    json_lines = Path(path).suffix in (".jsonl", ".ndjson")
    pairs = [
        _pair(line, f"{path}, line {number}") if json_lines else ("", line)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not pairs:
        raise InputError(f"{path}: holds no text; name a file with an example a line")
    ids = [f"benign-{row}" for row in range(len(pairs))]
    answers = [_cut(prompt, answer, task) for prompt, answer in pairs]
    return task.examples(ids, [prompt for prompt, _ in pairs], answers)


def _pair(line: str, place: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        pair = ("", row["text"]) if "text" in row else (row["prompt"], row["answer"])
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{place}: write an object with the field text, or with prompt and answer") from None
    if not all(isinstance(part, str) for part in pair) or not pair[1].strip():
        raise InputError(f"{place}: holds no text; write it as a string, or remove the line")
    return pair


def _cut(prompt: str, answer: str, task: CausalLM) -> str:
    """Return the answer without what does not fit into the context, or as it is where all does."""
    room = task.context - len(task.template.given(prompt, task.tokenizer))
    tokens = task.template.said(answer, task.tokenizer)
    return answer if len(tokens) <= room else str(task.tokenizer.decode(tokens[: max(room - 8, 1)]))
