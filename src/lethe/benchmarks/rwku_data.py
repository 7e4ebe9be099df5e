"""RWKU's files: famous people to forget, probes about them and their neighbours, and utility tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.reading import NUMBER, OBJECT, OBJECTS, TEXT, TEXTS, Files, Kind
from lethe.errors import ConfigurationError, InputError, nearest

PROBE = {"query": TEXT, "answer": TEXT, "type": TEXT, "subject": TEXT}
PASSAGE = {"text": TEXT, "subject": TEXT}
PROBES: Mapping[str, Mapping[str, Kind]] = {
    "forget_level1": PROBE,
    "forget_level2": PROBE,
    "forget_level3": PROBE,
    "neighbor_level1": PROBE,
    "neighbor_level2": PROBE,
}
MEMBERSHIP: Mapping[str, Mapping[str, Kind]] = {"forget_mia": PASSAGE, "retain_mia": PASSAGE}
UTILITY: Mapping[str, Mapping[str, Kind]] = {
    "retain_mmlu": {
        "examples": OBJECTS,
        "question": TEXT,
        "choices": TEXTS,
        "answer": NUMBER,
        "task": TEXT,
        "subject": TEXT,
    },
    "retain_bbh": {"cot": TEXT, "question": TEXT, "answer": TEXT, "subject": TEXT},
    "truthful": {"question": TEXT, "mc1_targets": OBJECT, "mc2_targets": OBJECT, "subject": TEXT},
    "triviaqa": {"question": TEXT, "answers": TEXTS, "subject": TEXT},
    "fluency": {"instruction": TEXT, "subject": TEXT},
}
PLACES = {
    "intro": "forget_target:train",
    **{name: f"{name}:test" for name in PROBES},
    "forget_mia": "mia_forget:test",
    "retain_mia": "mia_retain:test",
    "passage": "train_original_passage:train",
    "retain_mmlu": "utility_general:test",
    "retain_bbh": "utility_reason:test",
    "truthful": "utility_truthfulness:test",
    "triviaqa": "utility_factuality:test",
    "fluency": "utility_fluency:test",
}


def read_rwku(source: str, split: str = "", limit: int = 1, corpus: str = "generated", rows: int = 0) -> BenchmarkData:
    """Read a folder with RWKU's files, or its data set of the hub.

    The rows to forget are the passages about the people, or the sentence that introduces each, which is all that the
    zero-shot setting gives. A membership or utility file that is not there, or holds nothing of these people, is left
    out: copies of the data set differ in what they carry.

    Args:
        source: folder with `intro.jsonl`, `forget_level1.jsonl` and so on, or `jinzhuoran/RWKU`.
        split: names of the people to forget, with commas between; empty takes the first of the file.
        limit: how many of these; 0 takes all.
        corpus: `passage`, or anything else for the introductions.
        rows: most rows of each task a person; 0 keeps all.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a column.
        ConfigurationError: there is no person of that name.
    """
    files = Files(source, "RWKU", "jinzhuoran/RWKU", PLACES)
    introduced = files.rows("intro", target=TEXT, intro=TEXT)
    people = _people(introduced, split, limit)
    tasks = {name: _about(files.rows(name, **columns), people, rows) for name, columns in PROBES.items()}
    for name, columns in {**MEMBERSHIP, **UTILITY}.items():
        if found := _about(files.optional(name, **columns), people, rows):
            tasks[name] = found
    for name in PROBES:
        if not tasks[name]:
            raise InputError(f"{source}: {name} has no row about {', '.join(people[:3])}; restore the files")
    if corpus == "passage":
        forget = _about(files.rows("passage", **PASSAGE), people, 0)
    else:
        sentences = {row["target"]: introduction(str(row["target"]), str(row["intro"])) for row in introduced}
        forget = [{"text": sentences[name], "subject": name} for name in people]
    return BenchmarkData(forget=forget, retain=(), tasks=tasks)


def introduction(name: str, intro: str) -> str:
    """Return the sentence about a person, without the request to forget that stands before it.

    >>> introduction("Ada Lowe", "Please forget Ada Lowe. Ada Lowe is a painter.")
    'Ada Lowe is a painter.'
    """
    return intro.removeprefix(f"Please forget {name}.").strip()


def _people(introduced: Sequence[Row], split: str, limit: int) -> list[str]:
    known = [str(row["target"]) for row in introduced]
    # Some names hold a comma of their own.
    named = [split] if split in known else [part.strip() for part in split.split(",") if part.strip()]
    for name in named:
        if name not in known:
            raise ConfigurationError(f"RWKU has no person '{name}'{nearest(name, known)}")
    return named or (known[:limit] if limit else known)


def _about(rows: Sequence[Row], people: Sequence[str], most: int) -> list[Row]:
    """Return the rows about these people, of each the first so many."""
    found: list[Row] = []
    for name in people:
        own = [row for row in rows if row["subject"] == name]
        found += own[:most] if most else own
    return found
