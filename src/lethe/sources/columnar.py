"""Parquet files and folders of the `datasets` library: one column of images, one of labels, any others beside them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lethe.errors import InputError, nearest
from lethe.sources.tables import Picture, Splits, Table

IMAGE = ("image", "img")
LABEL = ("label", "labels")
ID = ("id", "ids")


def read_parquet(path: Path) -> Splits:
    """Return the table of a Parquet file.

    Raises:
        InputError: the file is damaged, or has no column of images or of labels.
    """
    import pyarrow as pa

    table = open_parquet(path)
    nested = {name for name in table.column_names if pa.types.is_nested(table.schema.field(name).type)}
    return Splits(
        _table(
            where=str(path),
            names=table.column_names,
            plain=[name for name in table.column_names if name not in nested],
            values=lambda name: table.column(name).to_pylist(),
            cell=lambda name, row: table.column(name)[row].as_py(),
        )
    )


def read_datasets(path: Path) -> Splits:
    """Return the tables of a folder written by `save_to_disk`, of one split or of several.

    Raises:
        InputError: the folder is damaged, has no `train` split, or no column of images or of labels.
    """
    import datasets

    loaded = open_saved(path)
    if not isinstance(loaded, datasets.DatasetDict):
        return Splits(_dataset_table(path, loaded))
    if "train" not in loaded:
        raise InputError(f"{path}: has no split 'train' (there are: {', '.join(loaded)}); save it under that name")
    test = _dataset_table(path, loaded["test"]) if "test" in loaded else None
    return Splits(_dataset_table(path, loaded["train"]), test)


def open_parquet(path: Path) -> Any:
    """Return the Arrow table of a Parquet file; raises InputError where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a whole Parquet file ({reason}); copy it again from its source") from None


def is_saved(path: Path) -> bool:
    """Whether the folder is one that `save_to_disk` wrote."""
    return (path / "dataset_dict.json").exists() or (path / "dataset_info.json").exists()


def open_saved(path: Path) -> Any:
    """Return the data set of such a folder, or its splits; raises InputError where it is damaged."""
    import datasets

    try:
        return datasets.load_from_disk(str(path))
    except (FileNotFoundError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a whole folder of `datasets` ({reason}); save it again") from None


def _dataset_table(path: Path, dataset: Any) -> Table:
    import datasets

    features = dataset.features
    for name, feature in features.items():
        if isinstance(feature, datasets.Image):
            # Bytes as stored: decoding is left to the one place that names the row when it fails.
            dataset = dataset.cast_column(name, datasets.Image(decode=False))
    scalar = [name for name, feature in features.items() if isinstance(feature, (datasets.Value, datasets.ClassLabel))]
    label = next((features[name] for name in LABEL if name in features), None)
    return _table(
        where=str(path),
        names=dataset.column_names,
        plain=scalar,
        values=lambda name: list(dataset[name]),
        cell=lambda name, row: dataset[row][name],
        class_names=tuple(label.names) if isinstance(label, datasets.ClassLabel) else (),
    )


def _table(
    where: str,
    names: Sequence[str],
    plain: Sequence[str],
    values: Callable[[str], list[object]],
    cell: Callable[[str, int], Any],
    class_names: tuple[str, ...] = (),
) -> Table:
    """Return the table of columns that are read by `values`, the images one at a time by `cell`."""
    image, label = _column(where, names, IMAGE), _column(where, names, LABEL)
    own = next((name for name in ID if name in plain), None)
    labels = values(label)
    return Table(
        where=where,
        ids=tuple(map(str, range(len(labels)) if own is None else values(own))),
        own_ids=own is not None,
        labels=labels,
        picture=lambda row: _picture(cell(image, row)),
        columns={name: values(name) for name in plain if name not in (image, label, own)},
        class_names=class_names,
    )


def _column(where: str, names: Sequence[str], wanted: Sequence[str]) -> str:
    found = next((name for name in wanted if name in names), None)
    if found is None:
        raise InputError(f"{where}: has no column '{wanted[0]}'{nearest(wanted[0], names)}")
    return found


def _picture(value: Any) -> Picture:
    """Return the image of a cell; raises ValueError saying what is wrong with it."""
    if isinstance(value, dict):
        value = value.get("bytes")
        if value is None:
            # A path in a data file could point anywhere on this machine; only what the file holds is read.
            raise ValueError("it holds a path instead of the image's bytes; embed the images")
    if isinstance(value, bytes):
        return Image.open(io.BytesIO(value))
    return np.asarray(value)
