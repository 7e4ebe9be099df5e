"""RESTOR's data: true facts about people, with solved questions of the same kind, and documents full of false ones."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.reading import TEXT, TEXTS, Files
from lethe.errors import ConfigurationError, InputError, nearest

TITLE = "RESTOR"
FACTS, CORRUPTED, REPAIR = "facts", "corrupted", "repair"


def read_restor(source: str, split: str, shots: int, limit: int = 0) -> BenchmarkData:
    """Read a folder with RESTOR's files.

    The tasks are `facts` (entity, property, prompt, answers, corrupted and random answers), and `repair` where there is
    a file of that name. A prompt is solved questions about the same property of others, one a line, and the question.

    Args:
        source: folder with `facts.json` ({dset: {entity: {property: {question, answers}}}, context: {property:
            [{question, answer, entity}]}}), `entities.json` (those that are evaluated; all where there is none) and the
            documents, as `mix_a0.jsonl` (column text). Beside them may lie `retain.jsonl` (text), `repair.jsonl`
            (prompt, answer) and `corrupted.jsonl` (entity, property, answers: what the documents claim).
        split: name of the documents.
        shots: solved questions in a prompt.
        limit: entities kept, those that most documents name, with these documents; 0 keeps all.

    Raises:
        InputError: a file is missing or damaged, or lacks what it should hold.
        ConfigurationError: there are no such documents.
    """
    files = Files(source, TITLE)
    if split not in files.there:
        there = [name for name in files.there if name not in (FACTS, "entities", CORRUPTED, REPAIR, "retain")]
        raise ConfigurationError(f"{source}: holds no documents '{split}'{nearest(split, there)}")
    known, solved = _facts(source, files)
    entities, documents = _limited(_entities(files, known), files.rows(split, text=TEXT), limit)
    claimed = {
        (str(row["entity"]), str(row["property"])): row["answers"]
        for row in files.optional(CORRUPTED, entity=TEXT, property=TEXT, answers=TEXTS)
    }
    asked = [
        {
            "entity": entity,
            "property": name,
            "prompt": _prompt(entity, fact["question"], solved.get(name, ()), shots),
            "answers": fact["answers"],
            "corrupted": claimed.get((entity, name), []),
            "random": _others(known, entity, name, fact["answers"]),
        }
        for entity in entities
        for name, fact in known[entity].items()
    ]
    tasks: dict[str, Sequence[Row]] = {FACTS: asked}
    if repair := files.optional(REPAIR, prompt=TEXT, answer=TEXT):
        tasks[REPAIR] = repair
    return BenchmarkData(documents, files.optional("retain", text=TEXT), tasks=tasks)


def _facts(source: str, files: Files) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if FACTS not in files.there:
        raise InputError(f"{source}: holds no facts.json{nearest(FACTS, files.there)}; copy RESTOR's files there")
    path = files.there[FACTS]
    whole = _json(path)
    known, solved = (whole.get(name) if isinstance(whole, dict) else None for name in ("dset", "context"))
    if not isinstance(known, dict) or not isinstance(solved, dict):
        raise InputError(f"{path}: has no objects 'dset' and 'context'; copy RESTOR's own file")
    for entity, properties in known.items():
        for name, value in _mapping(properties).items():
            fact = _mapping(value)
            good = TEXT.fits(fact.get("question")) and TEXTS.fits(fact.get("answers"))
            if not good:
                raise InputError(f"{path}: '{name}' of '{entity}' has no question with a list of answers; mend it")
    for name, lines in solved.items():
        for line in lines if isinstance(lines, list) else [None]:
            if not all(TEXT.fits(_mapping(line).get(part)) for part in ("question", "answer", "entity")):
                raise InputError(f"{path}: the context of '{name}' lacks a question, answer or entity; mend it")
    return known, solved


def _entities(files: Files, known: Mapping[str, Any]) -> list[str]:
    if "entities" not in files.there:
        return list(known)
    path = files.there["entities"]
    names = _json(path)
    if not isinstance(names, list) or not names:
        raise InputError(f"{path}: is no list of names; copy RESTOR's own file")
    for name in names:
        if name not in known:
            raise InputError(f"{path}: '{name}' has no facts in facts.json{nearest(str(name), known)}")
    return names


def _limited(entities: list[str], documents: list[Row], limit: int) -> tuple[list[str], list[Row]]:
    """Return the entities that most documents name, and these documents; all where there is no limit."""
    if not limit:
        return entities, documents
    told = {entity: [row for row in documents if entity in str(row["text"])] for entity in entities}
    kept = sorted(entities, key=lambda entity: -len(told[entity]))[:limit]
    return kept, [row for row in documents if any(row in told[entity] for entity in kept)]


def _prompt(entity: str, question: str, solved: Sequence[Mapping[str, str]], shots: int) -> str:
    others = [f"{one['question']} {one['answer']}" for one in solved if one["entity"] != entity]
    return "\n".join([*others[:shots], question])


def _others(known: Mapping[str, Any], entity: str, name: str, answers: Sequence[str]) -> list[str]:
    """Return what the property is of all other entities, but for the entity's own answers."""
    values = [
        value for other, facts in known.items() if other != entity for value in facts.get(name, {}).get("answers", ())
    ]
    return [value for value in dict.fromkeys(values) if value not in answers]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _json(path: Path) -> Any:
    """Return what a JSON file holds, packed or not; raises InputError where it is damaged."""
    try:
        content = path.read_bytes()
        return json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); copy it again from its source") from None
