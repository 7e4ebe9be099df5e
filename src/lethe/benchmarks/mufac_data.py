"""MUFAC's and MUCAC's files, and the split by identity: nobody's face is in two of the sets."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from lethe.benchmarks.faces import IDENTITIES, files_table, read_celeba_hq, read_labelled
from lethe.benchmarks.images import require_folder
from lethe.errors import ConfigurationError, InputError, nearest
from lethe.run import Run
from lethe.sources.tables import Table

PARTS = ("forget", "retain", "test", "unseen")
AGES = "abcdefgh"
FORGOTTEN_ROWS = 1500
MUFAC_FILES = {"train": "train", "test": "val", "unseen": "test"}
"""The release's names: the set it tests on is called `val`, the one that nobody has seen `test`."""

MUCAC_FROM = {"test": 0, "forget": 190, "retain": 1250, "unseen": 4855}
"""The first identity number of each set."""

ATTRIBUTES = {"male": 21, "smiling": 32, "young": 40}
"""The column of each attribute, the file's name being column 0."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Images with the rows of each set.

    Attributes:
        table: by set, the images it is taken from.
        rows: by set, its rows.
        identities: by set, the identities of its rows; empty where the files do not name them.
    """

    table: Mapping[str, Table]
    rows: Mapping[str, Sequence[int]]
    identities: Mapping[str, Sequence[str]]


def kind_in(source: str) -> Literal["mufac", "mucac", "identities"]:
    """Return which of the kinds of `Mufac` a folder or file holds."""
    if _mufac_file(Path(source), "train").is_file():
        return "mufac"
    return "mucac" if (Path(source) / IDENTITIES).is_file() else "identities"


def read_mufac(source: str, forgotten: int = FORGOTTEN_ROWS) -> Faces:
    """Read MUFAC's folder: the first rows of the training table are forgotten, ages are the classes 0 to 7.

    Args:
        source: folder with `custom_train_dataset.csv`, `train_images`, and the same of `val` and `test`.
        forgotten: rows to forget, in the table's order, which is that of households.

    Raises:
        InputError: a file, column or image is missing, or an age is none of a to h.
        ConfigurationError: there is no such folder, or no row would be left.
    """
    folder = require_folder(source, "MUFAC")
    tables = {part: _mufac_table(folder, name) for part, name in MUFAC_FILES.items()}
    count = len(tables["train"])
    if not 0 < forgotten < count:
        raise ConfigurationError(
            f"{source}: the training table has {count} rows, of which {forgotten} cannot be forgotten"
        )
    train = tables["train"]
    rows = {"forget": range(forgotten), "retain": range(forgotten, count)}
    rows |= {part: range(len(tables[part])) for part in ("test", "unseen")}
    return Faces({"forget": train, "retain": train, **{p: tables[p] for p in ("test", "unseen")}}, rows, {})


def read_mucac(source: str, attribute: str) -> Faces:
    """Read MUCAC's folder: sets are ranges of identity numbers, the label is one attribute of the face.

    Args:
        source: folder with `CelebA-HQ-identity.txt`, `CelebA-HQ-attribute.txt` and the images in `CelebA-HQ-img`.
        attribute: `male`, `smiling` or `young`.

    Raises:
        InputError: a file or line is damaged, or a set is empty.
        ConfigurationError: there is no such folder or attribute.
    """
    folder = require_folder(source, "MUCAC")
    if attribute not in ATTRIBUTES:
        raise ConfigurationError(f"MUCAC has no attribute '{attribute}'{nearest(attribute, ATTRIBUTES)}")
    portraits = read_celeba_hq(source, ATTRIBUTES[attribute], "MUCAC")
    table, numbers = portraits.table, portraits.people
    rows = _by_number(folder, numbers)
    return Faces(dict.fromkeys(PARTS, table), rows, {part: [numbers[row] for row in rows[part]] for part in PARTS})


def read_identities(source: str, column: str, shares: Sequence[float], seed: int) -> Faces:
    """Read any labelled images with a column of identities, and split them by identity in four.

    Args:
        source: an .npz or .parquet file, an image folder, or a folder of `datasets`; its training split is read.
        column: name of the column that says who is seen.
        shares: of the identities, to forget, for test and for unseen; the others are retained.
        seed: of the split.

    Raises:
        InputError: there is no such column.
        ConfigurationError: a set would be empty.
    """
    portraits = read_labelled(source, column)
    table, people = portraits.table, portraits.people
    rows = split_by_identity(people, shares, seed)
    return Faces(dict.fromkeys(PARTS, table), rows, {part: [people[row] for row in rows[part]] for part in PARTS})


def split_by_identity(people: Sequence[str], shares: Sequence[float], seed: int) -> dict[str, list[int]]:
    """Return the rows to forget, to retain, to test on, and that stay unseen; everybody is in one set alone.

    Args:
        people: [N] who is seen in each row.
        shares: of the people, to forget, for test and for unseen; each has at least one.
        seed: of the draw.

    Raises:
        ConfigurationError: the shares leave nobody to retain, or there are fewer than four people.
    """
    names = sorted(set(people))
    order = torch.randperm(len(names), generator=Run(seed=seed).generator("identities")).tolist()
    counts = [max(1, round(share * len(names))) for share in shares]
    if len(counts) != 3 or min(shares) <= 0 or sum(counts) >= len(names):
        raise ConfigurationError(
            f"shares {tuple(shares)} of {len(names)} people cannot be split in four; give three shares that leave some"
        )
    part_of: dict[str, str] = {}
    first = 0
    for part, count in zip(("forget", "test", "unseen"), counts, strict=True):
        part_of |= {names[i]: part for i in order[first : first + count]}
        first += count
    return {part: [row for row, name in enumerate(people) if part_of.get(name, "retain") == part] for part in PARTS}


def _mufac_file(folder: Path, name: str) -> Path:
    return folder / f"custom_{name}_dataset.csv"


def _mufac_table(folder: Path, name: str) -> Table:
    path = _mufac_file(folder, name)
    if not path.is_file():
        raise InputError(f"{folder}: holds no {path.name}; copy MUFAC's files there")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    ids, labels = [], []
    for number, row in enumerate(rows, start=2):
        age, image = row.get("age_class"), row.get("image_path")
        if not image or not age or age not in AGES:
            raise InputError(
                f"{path}:{number}: needs an image_path and an age_class of a to h, not {image!r} and {age!r}; mend it"
            )
        ids.append(image)
        labels.append(AGES.index(age))
    return files_table(folder / f"{name}_images", ids, labels)


def _by_number(folder: Path, numbers: Sequence[str]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {part: [] for part in PARTS}
    for row, number in enumerate(numbers):
        if not number.isdecimal():
            raise InputError(f"{folder / IDENTITIES}: '{number}' is no number of an identity; correct it")
        part = max((part for part, least in MUCAC_FROM.items() if int(number) >= least), key=MUCAC_FROM.__getitem__)
        rows[part].append(row)
    for part in PARTS:
        if not rows[part]:
            raise InputError(f"{folder}: no image has an identity number of the {part} set; restore MUCAC's files")
    return rows
