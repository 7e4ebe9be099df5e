"""The tiny language model and its people on disk, as a user would have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lethe import models
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.testing.language import tiny_language_problem


@dataclass(frozen=True)
class Library:
    """Where the world lies on disk, and the same world in memory."""

    folder: Path
    problem: Problem

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def gold(self) -> Path:
        return self.folder / "gold"

    def file(self, name: str) -> str:
        return str(self.folder / f"{name}.jsonl")

    def unlearn(self, out: Path, *more: str, **instead: object) -> list[str]:
        """Return the arguments of a run; `instead` replaces an option's value, None leaves it out."""
        options: dict[str, object] = {
            "model": self.model, "forget": self.file("forget"), "retain": self.file("retain"), "method": "npo",
            "out": out, **instead,
        }  # fmt: skip
        return ["unlearn", *[t for n, v in options.items() if v is not None for t in (f"--{n}", str(v))], *more]


def write_library(folder: Path) -> Library:
    """Write the original, a gold model, their tokenizer and the three sets."""
    problem = tiny_language_problem()
    for name, model in (("model", problem.model), ("gold", problem.gold[0])):
        models.save(model, folder / name)
        problem.task.tokenizer.save_pretrained(folder / name)
    for name in ("forget", "retain", "holdout"):
        write_lines(folder / f"{name}.jsonl", rows_of(getattr(problem, name)))
    return Library(folder, problem)


def rows_of(examples: Examples) -> list[dict[str, object]]:
    """Return examples as rows of a data file."""
    columns = (examples.ids, examples["prompt"], examples["answer"])
    return [{"id": name, "question": p, "answer": a} for name, p, a in zip(*columns, strict=True)]


def write_lines(path: Path, rows: Sequence[object]) -> str:
    """Write JSON Lines and return the path."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return str(path)
