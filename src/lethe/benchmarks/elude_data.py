"""ELUDe's data: questions about one real person to forget, about neighbours to keep, and instructions of the world."""

from __future__ import annotations

from collections.abc import Sequence

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.reading import TEXT, TEXTS, Files
from lethe.errors import ConfigurationError, InputError, nearest
from lethe.worlds.people.draws import Draws

TITLE, HUB = "ELUDe", "6rightjade/ELUDe"
QUESTION, ANSWER, ENTITY = "question", "answer", "entity"
PARAPHRASED, WRONG = "paraphrased_answer", "perturbed_answer"
PLACES = {
    "forget_qa": "forget_qa:train",
    "retain_qa_train": "retain_qa:train",
    "retain_qa_validation": "retain_qa:validation",
    "retain_qa_test": "retain_qa:test",
}
WORLD = "alpaca_gpt4_data"
ASKED = {QUESTION: TEXT, ANSWER: TEXT, PARAPHRASED: TEXT, WRONG: TEXTS}


def read_elude(source: str, entity: str, part: str = "test", limit: int = 0, seed: int = 0) -> BenchmarkData:
    """Read a folder with ELUDe's files, or the data set of the hub.

    The tasks are `forget`, `retain` (neighbours) and `world`, the last where there are its files. The retain set is as
    many questions about neighbours as there are to be forgotten, and as many instructions of the world.

    Args:
        source: folder with `forget_qa`, `retain_qa_train` and `retain_qa_test` (or validation), each with columns
            entity (whom the row belongs to, of a neighbour's question too), question, answer, paraphrased_answer and
            perturbed_answer, and where there are any `alpaca_gpt4_data_train` and `alpaca_gpt4_data_test` without
            entity; or `owner/name`, which has no instructions.
        entity: who is to be forgotten, with spaces or underlines; empty takes the first.
        part: the part of the retain questions and instructions that is evaluated, `validation` or `test`.
        limit: questions kept of each set; 0 keeps all.
        seed: which questions about neighbours, and which instructions, the retain set has.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a column.
        ConfigurationError: nothing is asked about the entity, or there is no such part.
    """
    if part not in ("validation", "test"):
        raise ConfigurationError(f"part must be validation or test, not {part}")
    files = Files(source, TITLE, HUB, PLACES)
    every = files.rows("forget_qa", entity=TEXT, **ASKED)
    known = list(dict.fromkeys(str(row[ENTITY]) for row in every))
    chosen = entity.replace("_", " ") if entity else known[0]
    if chosen not in known:
        raise ConfigurationError(f"{TITLE} asks nothing about '{chosen}'{nearest(chosen, known)}")
    forget = [row for row in every if row[ENTITY] == chosen][: limit or None]
    asked = {"forget": forget, "retain": _neighbours(files, f"retain_qa_{part}", chosen)[: limit or None]}
    lessons = _neighbours(files, "retain_qa_train", chosen)
    if world := files.optional(f"{WORLD}_{part}", **ASKED):
        asked["world"] = world[: limit or None]
    instructions = files.optional(f"{WORLD}_train", question=TEXT, answer=TEXT)
    drawn = {
        name: Draws(seed).shuffled(rows, "elude", name)[: len(forget)]
        for name, rows in (("neighbour", lessons), ("world", instructions))
    }
    retain = [row for kind, rows in drawn.items() for row in _plain(rows, kind)]
    return BenchmarkData(_plain(forget, "target"), retain, tasks=asked)


def _plain(rows: Sequence[Row], kind: str) -> list[Row]:
    """Return question and answer, and what the rows are about, by which methods tell neighbours from the world."""
    return [{QUESTION: row[QUESTION], ANSWER: row[ANSWER], "kind": kind} for row in rows]


def _neighbours(files: Files, name: str, entity: str) -> list[Row]:
    """Return the questions about the neighbours of an entity."""
    found = [row for row in files.rows(name, entity=TEXT, **ASKED) if row[ENTITY] == entity]
    if not found:
        raise InputError(f"{files.source}, {name}: no row belongs to '{entity}'; restore the files")
    return found
