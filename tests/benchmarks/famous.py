"""Files in the schemas of WPU and ELUDe about fictitious people, whose own files cannot be had here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lethe.worlds.people import People
from lethe.worlds.people.rows import Row
from tests.benchmarks.published import write_lines

CLOSE, POPULAR = ("namesake",), ("neighbour", "other")


def write_wpu(world: People, folder: Path) -> None:
    """Write `forget_2_1` and what belongs to it."""
    pages = {row.owner: row.answer for row in world.text.biographies}

    def asked(*groups: str) -> Iterable[Mapping[str, Any]]:
        return (
            {"title": row.owner, "wikipage": pages[row.owner], "question": row.question, "answer": row.answer}
            for row in world.text.facts if row.group in groups
        )  # fmt: skip

    write_lines(folder / "forget_2_1.jsonl", asked("forget"))
    write_lines(folder / "forget_2_1_hard_retain.jsonl", asked(*CLOSE))
    write_lines(folder / "general_retain.jsonl", asked(*POPULAR))
    kept = (row for row in world.text.biographies if row.group in POPULAR)
    write_lines(folder / "retain.jsonl", ({"title": row.owner, "wikipage": row.answer} for row in kept))


def write_elude(world: People, folder: Path) -> None:
    """Write all of ELUDe's files: every neighbour belongs to each person that is to be forgotten."""
    targets = [person.name for person in world.text.people if person.group == "forget"]

    def asked(rows: Iterable[Row], entity: str = "") -> list[dict[str, Any]]:
        return [
            {
                "entity": entity or row.owner, "question": row.question, "answer": row.answer,
                "paraphrased_answer": row.paraphrased_answer, "perturbed_answer": list(row.perturbed_answer),
            }
            for row in rows
        ]  # fmt: skip

    write_lines(folder / "forget_qa.jsonl", asked(row for row in world.text.facts if row.group == "forget"))
    close = [row for row in world.text.facts if row.group in CLOSE]
    for part in ("train", "validation", "test"):
        write_lines(folder / f"retain_qa_{part}.jsonl", [row for name in targets for row in asked(close, name)])
        write_lines(folder / f"alpaca_gpt4_data_{part}.jsonl", asked(world.text.geography, "-"))
