"""MUSE's files: documents to forget and to keep, chunks to continue, questions about both, and texts never seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.reading import ANY_TEXT, TEXT, Files
from lethe.errors import ConfigurationError, InputError, nearest

DOCUMENT = {"text": TEXT}
PAIR = {"question": TEXT, "answer": TEXT}
CHUNK = {"prompt": TEXT, "gt": TEXT}
SPLITS = ("forget", "scal", "sust")
PLACES = {
    "raw_forget": "raw:forget",
    "raw_retain1": "raw:retain1",
    "raw_retain2": "raw:retain2",
    "verbmem_forget": "verbmem:forget",
    "knowmem_forget_qa": "knowmem:forget_qa",
    "knowmem_forget_qa_icl": "knowmem:forget_qa_icl",
    "knowmem_retain2_qa": "knowmem:retain_qa",
    "knowmem_retain2_qa_icl": "knowmem:retain_qa_icl",
    "privleak_forget": "privleak:forget",
    "privleak_retain2": "privleak:retain",
    "privleak_holdout": "privleak:holdout",
    **{f"{kind}_forget_{i}": f"{kind}:forget_{i}" for kind in ("scal", "sust") for i in range(1, 5)},
}
EVALUATED = {
    "verbmem_forget": CHUNK,
    "knowmem_forget_qa": PAIR,
    "knowmem_retain2_qa": PAIR,
    "privleak_forget": DOCUMENT,
    "privleak_retain2": DOCUMENT,
    "privleak_holdout": DOCUMENT,
}
SHOTS = ("knowmem_forget_qa_icl", "knowmem_retain2_qa_icl")


def read_muse(
    source: str, split: str = "forget", limit: int = 0, retain: Literal["raw", "privleak"] = "raw"
) -> BenchmarkData:
    """Read a folder with the files of one corpus, or its data set of the hub.

    Methods are given `raw_retain1`; the target and gold are trained on `raw_retain2` as well, which is what retention
    is evaluated on.

    Args:
        source: folder with `raw_forget.jsonl`, `knowmem_forget_qa.jsonl` and so on, or `muse-bench/MUSE-News`.
        split: `forget`; `scal` for the four nested forget sets, each unlearnt from the target; `sust` for the four
            disjoint ones, unlearnt one after another.
        limit: documents kept of each set, those that evaluated chunks are from first, and rows of each task; 0 keeps
            all.
        retain: `raw`, or `privleak` where a folder lacks the documents to retain: halves of `privleak_retain2` take
            the place of `raw_retain1` and `raw_retain2`.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a column.
        ConfigurationError: there is no such split.
    """
    if split not in SPLITS:
        raise ConfigurationError(f"MUSE has no split '{split}'{nearest(split, SPLITS)}")
    files = Files(source, "MUSE", "muse-bench/MUSE-News", PLACES)
    tasks = {name: _first(files.rows(name, **columns), limit) for name, columns in EVALUATED.items()}
    chunks = [str(row["prompt"]) for row in tasks["verbmem_forget"]]
    names = ["raw_forget"] if split == "forget" else [f"{split}_forget_{i}" for i in range(1, 5)]
    sets = [_first(_sorted(_documents(files, name), chunks), limit) for name in names]
    kept, unseen = _retained(files, limit, retain)
    return BenchmarkData(
        forget=sets[0] if split == "forget" else _union(sets),
        retain=kept,
        holdout=tasks["privleak_holdout"],
        tasks={**tasks, **{name: files.rows(name, **PAIR) for name in SHOTS}},
        seen_retain=unseen,
        requests=() if split == "forget" else sets,
        successive=split == "sust",
    )


def _retained(files: Files, limit: int, kind: str) -> tuple[list[Row], list[Row]]:
    """Return the documents that methods are given, and those that only target and gold are trained on."""
    if kind == "privleak":
        texts = files.rows("privleak_retain2", **DOCUMENT)
        # The second half is evaluated as well: with a limit the first rows are, so they go to the unseen half.
        half = len(texts) // 2
        return _first(texts[half:], limit), _first(texts[:half], limit)
    if not files.holds("raw_retain1"):
        raise InputError(
            f"{files.source}: holds no raw_retain1.jsonl; copy MUSE's files there, or take the texts of "
            "privleak_retain2 in its place with --set muse.retain=privleak"
        )
    return _first(_documents(files, "raw_retain1"), limit), _first(_documents(files, "raw_retain2"), limit)


def _documents(files: Files, name: str) -> list[Row]:
    """Return the documents of a file; one of MUSE-News is empty, and has nothing to be forgotten."""
    return [row for row in files.rows(name, text=ANY_TEXT) if str(row["text"]).strip()]


def _first(rows: Sequence[Row], limit: int) -> list[Row]:
    return list(rows[:limit] if limit else rows)


def _sorted(documents: Sequence[Row], chunks: Sequence[str]) -> list[Row]:
    """Return the documents with those first that a chunk is from, told by a part of the chunk's middle."""
    parts = [chunk[len(chunk) // 3 :][:60] for chunk in chunks]
    return sorted(documents, key=lambda row: not any(part in str(row["text"]) for part in parts))


def _union(sets: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the documents of all sets, each once."""
    return list({str(row["text"]): row for rows in sets for row in rows}.values())
