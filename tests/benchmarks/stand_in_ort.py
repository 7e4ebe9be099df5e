"""A stand-in for ORT's files, whose data are not in the public folder: invented people in the same schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lethe.worlds.people import People
from lethe.worlds.people.rows import Row


def write_ort(world: People, folder: Path) -> list[str]:
    """Write a folder for each person who is to be forgotten, with the next one as neighbour; return their names."""
    by_owner: dict[str, list[Row]] = {}
    for row in world.text.facts:
        if row.attribute != "name" and row.group in ("forget", "neighbour", "namesake"):
            by_owner.setdefault(row.owner, []).append(row)
    names = [name for name, rows in by_owner.items() if rows[0].group == "forget"]
    others = [name for name in by_owner if name not in names]
    for number, name in enumerate(names, start=1):
        place = folder / "Target" / f"{number}_{name.replace(' ', '_')}"
        place.mkdir(parents=True)
        for side, owner in (("forget", name), ("neighbor", others[number % len(others)])):
            for ending, rows in _forms(by_owner[owner]).items():
                (place / f"{side}_{ending}.json").write_text(json.dumps(rows))
        texts = [{"text": f"{row.question} {row.answer}"} for row in by_owner[name]]
        (place / "positive.json").write_text(json.dumps(texts))
    return names


def _forms(rows: Sequence[Row]) -> dict[str, list[dict[str, str]]]:
    """Return each fact as cloze, question and choice between four, the right one at another place each time."""
    found: dict[str, list[dict[str, str]]] = {"level1": [], "level2": [], "mcp": []}
    for i, row in enumerate(rows):
        answer = row.paraphrased_answer.rstrip(".")
        head, _, last = answer.rpartition(" ")
        known = {"subject": row.owner}
        cloze = f"{row.owner}: {row.attribute.replace('_', ' ')}, {head.lower()} ___."
        found["level1"].append({"query": cloze, "answer": last, "level": "1", "type": "cloze", **known})
        found["level2"].append({"query": row.question, "answer": row.answer, "level": "2", "type": "qa", **known})
        options = [wrong.rstrip(".") for wrong in row.perturbed_answer[:3]]
        options.insert(i % 4, answer)
        listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
        choice = {"query": f"{row.question}\n{listed}", "answer": "ABCD"[i % 4]}
        found["mcp"].append({**choice, "level": "4", "type": "multiple choice", **known})
    return found
