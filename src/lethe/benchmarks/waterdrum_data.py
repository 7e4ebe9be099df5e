"""WaterDrum's files: watermarked texts of several owners, or questions with watermarked answers of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.reading import NUMBER, TEXT, Files, Kind
from lethe.errors import ConfigurationError

HUBS = {"ax": "Glow-AI/WaterDrum-Ax", "tofu": "Glow-AI/WaterDrum-TOFU"}
OWNER = Kind("text or whole number", lambda value: TEXT.fits(value) or NUMBER.fits(value))
COPIES_KEY = 0  # the release watermarks all duplicates under it


def read_waterdrum(
    source: str,
    split: str,
    kind: Literal["ax", "tofu"],
    duplicates: Literal["none", "exact", "semantic"] = "none",
    limit: int = 0,
) -> BenchmarkData:
    """Read `forget.jsonl`, `retain.jsonl` and where asked `exact_duplicate.jsonl`, or the data set of the hub.

    Args:
        source: folder with the files of one split, or `owner/name`, where a split is a configuration.
        split: `forget_01` and so on; a folder with files of its own holds one split, whose name does not matter.
        kind: `ax`, rows with `text` and `category`; `tofu`, rows with `question` and `answer`.
        duplicates: which duplicates of forget rows are retained.
        limit: most rows of each owner; 0 keeps all.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a column.
        ConfigurationError: forget and retain set share an owner.
    """
    names = ("forget", "retain", "exact_duplicate", "semantic_duplicate")
    files = Files(source, "WaterDrum", HUBS[kind], {name: f"{split}:{name}" for name in names})
    columns = {"text": TEXT, "category": OWNER} if kind == "ax" else {"question": TEXT, "answer": TEXT}
    forget, retain = (files.rows(name, **columns) for name in ("forget", "retain"))
    keyed: dict[str, list[Row]]
    if kind == "tofu":
        keyed = {"forget": [{**row, "key": 1} for row in forget], "retain": [{**row, "key": 0} for row in retain]}
    else:
        keyed = _by_category(forget, retain, source)
    keyed = {name: _first_of_each(rows, limit) for name, rows in keyed.items()}
    kept = list(keyed["retain"])
    if duplicates != "none":
        copies = files.rows(f"{duplicates}_duplicate", **columns)
        kept += [{**row, "key": COPIES_KEY} for row in copies[: len(keyed["forget"])]]
    return BenchmarkData(
        [_trained(row) for row in keyed["forget"]],
        [_trained(row) for row in kept],
        tasks={"forget": keyed["forget"], "retain": _in_turn(keyed["retain"])},
    )


def _by_category(forget: Sequence[Row], retain: Sequence[Row], source: str) -> dict[str, list[Row]]:
    """Return the rows with their keys: the number of their category, those of retained rows first, in file order."""
    keys = {
        name: number for number, name in enumerate(dict.fromkeys(str(row["category"]) for row in (*retain, *forget)))
    }
    both = {row["category"] for row in retain} & {row["category"] for row in forget}
    if both:
        raise ConfigurationError(
            f"{source}: the category {sorted(map(str, both))[0]} is in the forget and in the retain set; "
            "an owner is forgotten as a whole"
        )
    found: dict[str, list[Row]] = {}
    for name, rows in (("forget", forget), ("retain", retain)):
        found[name] = [{**row, "key": keys[str(row["category"])]} for row in rows]
    return found


def _first_of_each(rows: Sequence[Row], limit: int) -> list[Row]:
    """Return the first rows of each owner."""
    seen: dict[object, int] = {}
    kept = []
    for row in rows:
        seen[row["key"]] = seen.get(row["key"], 0) + 1
        if not limit or seen[row["key"]] <= limit:
            kept.append(row)
    return kept


def _in_turn(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with the first of each owner first, so that a few queries are of all owners."""
    turn: dict[object, int] = {}
    order = []
    for place, row in enumerate(rows):
        turn[row["key"]] = turn.get(row["key"], 0) + 1
        order.append((turn[row["key"]], place))
    return [rows[place] for _, place in sorted(order)]


def _trained(row: Row) -> Row:
    """Return what the model is trained on of a row."""
    return {name: value for name, value in row.items() if name not in ("key", "category")}
