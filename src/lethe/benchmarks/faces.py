"""Labelled faces with who is seen on them, as files hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lethe.benchmarks.images import require_folder
from lethe.errors import ConfigurationError, InputError, nearest
from lethe.sources.formats import read
from lethe.sources.tables import Table

IDENTITIES = "CelebA-HQ-identity.txt"
ATTRIBUTES = ("CelebA-HQ-attribute.txt", "CelebAMask-HQ-attribute-anno.txt")
"""What MUCAC calls the file, and CelebAMask-HQ."""


@dataclass(frozen=True, eq=False)
class Portraits:
    """Labelled images with who is seen.

    Attributes:
        table: the images.
        people: [N] who is seen in each row.
    """

    table: Table
    people: Sequence[str]


def read_labelled(source: str, column: str) -> Portraits:
    """Read any labelled images with a column of identities; of several splits the one to train on.

    Args:
        source: an .npz or .parquet file, an image folder, or a folder of `datasets`.
        column: name of the column that says who is seen.

    Raises:
        InputError: there is no such column.
    """
    table = read(Path(source)).train
    if column not in table.columns:
        raise InputError(f"{source}: has no column '{column}' that says who is seen{nearest(column, table.columns)}")
    return Portraits(table, [str(value) for value in table.columns[column]])


def read_celeba_hq(source: str, attribute: str | int, title: str) -> Portraits:
    """Read CelebA-HQ's folder: images in the order of their names, with one attribute, 1 or 0, as the label.

    Args:
        source: folder with the identities, the attributes and the images in `CelebA-HQ-img`.
        attribute: name of an attribute in the head of the file, as Smiling, whatever its case; or its column, that of
            the image's name being 0.
        title: what messages call the data.

    Raises:
        InputError: a file or line is damaged.
        ConfigurationError: there is no such folder or attribute.
    """
    folder = require_folder(source, title)
    marks = next((folder / name for name in ATTRIBUTES if (folder / name).is_file()), folder / ATTRIBUTES[0])
    column = attribute if isinstance(attribute, int) else _column(marks, attribute, title)
    identities = {line[0]: line[1] for line in _lines(folder / IDENTITIES, 2, title)}
    values = {line[0]: line[column] for line in _lines(marks, column + 1, title, skipped=2)}
    lacking = sorted(identities.keys() - values.keys())
    if lacking:
        raise InputError(f"{marks}: has no line for {lacking[0]}; restore {title}'s files")
    names = sorted(identities)
    labels = [int(values[name] == "1") for name in names]
    return Portraits(files_table(folder / "CelebA-HQ-img", names, labels), [identities[name] for name in names])


def files_table(folder: Path, names: Sequence[str], labels: Sequence[int]) -> Table:
    """Return the table of image files of a folder, which are its ids as well."""

    def picture(row: int) -> Image.Image:
        with Image.open(folder / names[row]) as image:
            return image.copy()

    return Table(where=str(folder), ids=tuple(names), own_ids=True, labels=list(labels), picture=picture)


def _column(path: Path, attribute: str, title: str) -> int:
    """Return the column of an attribute that the second line names."""
    _require(path, title)
    head = path.read_text("utf-8").splitlines()[1:2]
    names = [name.lower() for name in head[0].split()] if head else []
    if attribute.lower() not in names:
        raise ConfigurationError(f"{path}: has no attribute '{attribute}'{nearest(attribute.lower(), names)}")
    return names.index(attribute.lower()) + 1


def _lines(path: Path, columns: int, title: str, skipped: int = 0) -> list[list[str]]:
    _require(path, title)
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines()[skipped:], start=skipped + 1):
        parts = line.split()
        if parts and len(parts) < columns:
            raise InputError(
                f"{path}:{number}: has {len(parts)} columns, {columns} are needed; restore {title}'s files"
            )
        if parts:
            found.append(parts)
    return found


def _require(path: Path, title: str) -> None:
    if not path.is_file():
        raise InputError(f"{path.parent}: holds no {path.name}; copy {title}'s files there")
