"""Folders: a world written in TOFU's own files, and its models as Hugging Face folders."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from lethe import models
from lethe.store import atomic
from lethe.worlds.people.draws import Draws
from lethe.worlds.people.rows import Row
from lethe.worlds.people.world import RETAINED, People

SHARES = (1, 5, 10)
RETAIN_PERTURBED = 400


def write_tofu(world: People, folder: Path) -> None:
    """Write the world's questions as the JSON Lines files of TOFU, under the same names and with the same fields.

    `forget10` is the world's forget set, and `forget05` and `forget01` the last of its persons, where such a share of
    the people is a whole number; a world that forgets another share names its files by that. `retain_perturbed` has
    the first 400 rows of the retain set. `real_authors` are the writers of books, `world_facts` those of towns.

    Args:
        world: the world; its `content` does not matter.
        folder: where to; made where it is missing.

    Source: Maini et al. 2024, arXiv:2401.06121.
    """
    text = world.text
    retain = [row for row in text.facts if row.group in RETAINED]
    forget = [row for row in text.facts if row.group == "forget"]
    holdout = [row for row in text.facts if row.group == "holdout"]
    _write(folder / "full.jsonl", map(_question, [*retain, *forget]))
    _write(folder / "retain_perturbed.jsonl", map(_perturbed, retain[:RETAIN_PERTURBED]))
    a_person = len(forget) // world.forgotten
    for percent, persons in _shares(world).items():
        count = persons * a_person
        last = forget[-count:]
        _write(folder / f"forget{percent:02d}.jsonl", map(_question, last))
        _write(folder / f"forget{percent:02d}_perturbed.jsonl", map(_perturbed, last))
        _write(folder / f"retain{100 - percent:02d}.jsonl", map(_question, [*retain, *forget[:-count]]))
        _write(folder / f"holdout{percent:02d}.jsonl", map(_question, holdout[:count]))
    for name, rows in (("real_authors", text.authors), ("world_facts", text.geography)):
        _write(folder / f"{name}.jsonl", (_options(row, world.split_seed) for row in rows))
        _write(folder / f"{name}_perturbed.jsonl", map(_wrong, rows))


def write_model(world: People, model: nn.Module, folder: Path) -> None:
    """Write a model of the world and its tokenizer to a folder that `from_pretrained` reads."""
    models.save(model, folder)
    world.tokenizer.save_pretrained(folder)


def _shares(world: People) -> dict[int, int]:
    """Return per cent to number of persons."""
    own = round(100 * world.forgotten / world.people)
    nested = {share: share * world.people // 100 for share in SHARES if share * world.people % 100 == 0 and share < own}
    return {**nested, own: world.forgotten}


def _question(row: Row) -> dict[str, Any]:
    return {"question": row.question, "answer": row.answer}


def _perturbed(row: Row) -> dict[str, Any]:
    return {
        **_question(row),
        "paraphrased_answer": row.paraphrased_answer,
        "perturbed_answer": list(row.perturbed_answer),
        "paraphrased_question": row.paraphrased_question,
    }


def _wrong(row: Row) -> dict[str, Any]:
    return {**_question(row), "perturbed_answer": list(row.perturbed_answer)}


def _options(row: Row, seed: int) -> dict[str, Any]:
    every: Sequence[str] = Draws(seed).shuffled([row.answer, *row.perturbed_answer], "options", row.id)
    return {
        "question": row.question,
        **{f"option{i}": option for i, option in enumerate(every, start=1)},
        "answer": row.answer,
    }


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
