"""ConceptVectors' files: concepts, the value vector that carries each in one model, questions and an article."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lethe.benchmarks.base import Row
from lethe.benchmarks.reading import NUMBER, OBJECTS, TEXT, TEXTS, Files
from lethe.errors import ConfigurationError, InputError, nearest

MARK = "concepts"


@dataclass(frozen=True)
class Concept:
    """One concept of the benchmark.

    Attributes:
        name: what it is called, as `Poland`.
        layer: block of the value vector, from 0.
        unit: its unit in the MLP, `Dim` in the files.
        questions: about the concept; the files hold no answers, the original's own are compared with.
        halves: first and second half of paragraphs of its article.
        unrelated: questions about other concepts.
        article: text about it, which is forgotten.
    """

    name: str
    layer: int
    unit: int
    questions: Sequence[str]
    halves: Sequence[tuple[str, str]]
    unrelated: Sequence[str]
    article: str


def read_concepts(source: str, file: str = "") -> list[Concept]:
    """Read the concepts of one model from a folder with the benchmark's files, or from a data set of the hub.

    Args:
        source: folder with `llama2-7b_concepts_test.json` or the like, or `owner/name`.
        file: name of the file without suffix; empty takes the only one with `concepts` in its name.

    Raises:
        InputError: the file is missing or damaged, or a row lacks a field.
        ConfigurationError: several files could be meant.
    """
    files = Files(source, "ConceptVectors")
    rows = files.rows(
        file or _only(files, source), Concept=TEXT, Layer=NUMBER, Dim=NUMBER, QA=TEXTS, text_completion=OBJECTS,
        unrelated_QA=TEXTS, wikipedia_content=TEXT,
    )  # fmt: skip
    return [_concept(row, source, i) for i, row in enumerate(rows)]


def concept_named(concepts: Sequence[Concept], name: str) -> tuple[Concept, Concept]:
    """Return the concept of that name, the first where none is named, and the one after it, whose article is kept.

    Raises:
        ConfigurationError: there is no such concept, or no other beside it.
    """
    names = [concept.name for concept in concepts]
    if name and name not in names:
        raise ConfigurationError(f"ConceptVectors has no concept '{name}' for this model{nearest(name, names)}")
    place = names.index(name) if name else 0
    if len(concepts) < 2:
        raise ConfigurationError("the file holds a single concept; another one's article is what is to be kept")
    return concepts[place], concepts[(place + 1) % len(concepts)]


def pieces(article: str, words: int) -> list[str]:
    """Return the article in pieces of so many words, the last with what is left.

    >>> pieces("one two three", 2)
    ['one two', 'three']
    """
    every = article.split()
    return [" ".join(every[first : first + words]) for first in range(0, len(every), words)]


def _only(files: Files, source: str) -> str:
    there = [name for name in files.there if MARK in name]
    if len(there) != 1:
        raise ConfigurationError(
            f"{source}: holds {len(there)} files with '{MARK}' in their names; name one with --set "
            f"conceptvectors.file=NAME{nearest('', there)}"
        )
    return there[0]


def _concept(row: Row, source: str, i: int) -> Concept:
    halves = []
    for pair in _list(row["text_completion"]):
        first, second = pair.get("First_half"), pair.get("Second_half")
        if not isinstance(first, str) or not isinstance(second, str) or not first.strip() or not second.strip():
            raise InputError(
                f"{source}: a pair of text_completion in row {i} (from 0) lacks First_half or Second_half; "
                "restore the benchmark's files"
            )
        halves.append((first.strip(), second.strip()))
    layer, unit = row["Layer"], row["Dim"]
    assert isinstance(layer, int)
    assert isinstance(unit, int)
    return Concept(
        str(row["Concept"]), layer, unit, [one.strip() for one in _list(row["QA"])], halves,
        [one.strip() for one in _list(row["unrelated_QA"])], str(row["wikipedia_content"]),
    )  # fmt: skip


def _list(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value
