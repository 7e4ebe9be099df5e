"""NumPy archives: images, labels and whatever else has one value an example."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lethe.errors import InputError, nearest
from lethe.sources.tables import Splits, Table


def read_npz(path: Path) -> Splits:
    """Return the tables of an archive with `images` and `labels`, or with `train_images`, `train_labels` and so on.

    `test_images` and `test_labels` make a test split. `ids` and any other array of one value an example are taken
    along; ids are row numbers where there are none.

    Raises:
        InputError: an array is missing, damaged or of Python objects, or the labels are not one an image.
    """
    arrays = _arrays(path)
    classes = tuple(map(str, arrays["class_names"])) if "class_names" in arrays else ()
    if "train_images" not in arrays:
        return Splits(_table(path, arrays, "", classes))
    test = _table(path, arrays, "test_", classes) if "test_images" in arrays else None
    return Splits(_table(path, arrays, "train_", classes), test)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        # Opened here: NumPy leaves the file of a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{path}: not a whole .npz archive ({error}); copy it again from its source") from None
    except ValueError as error:
        reason = "an array holds Python objects" if "allow_pickle" in str(error) else error
        raise InputError(f"{path}: cannot be read ({reason}); save arrays of numbers or of text") from None


def _table(path: Path, arrays: Mapping[str, np.ndarray], prefix: str, classes: tuple[str, ...]) -> Table:
    images, labels = _array(path, arrays, f"{prefix}images"), _array(path, arrays, f"{prefix}labels")
    count = len(images)
    if labels.shape != (count,):
        raise InputError(
            f"{path}: {prefix}labels has shape {labels.shape}, but there are {count} images; save one a row"
        )
    others = {
        name.removeprefix(prefix): values.tolist()
        for name, values in arrays.items()
        if name.startswith(prefix) and values.shape == (count,) and name != f"{prefix}labels"
    }
    ids = others.pop("ids", None)
    return Table(
        where=str(path),
        ids=tuple(map(str, range(count) if ids is None else ids)),
        own_ids=ids is not None,
        labels=labels.tolist(),
        picture=lambda row: images[row],
        columns=others,
        class_names=classes,
    )


def _array(path: Path, arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in arrays:
        raise InputError(f"{path}: holds no array '{name}'{nearest(name, arrays)}")
    return arrays[name]
