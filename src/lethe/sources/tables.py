"""Table: what a data file holds, with labels and columns read and images still as they are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from PIL import Image

from lethe.errors import InputError, nearest

Picture = Image.Image | np.ndarray


@dataclass(frozen=True, eq=False)
class Table:
    """One split of a data file; its images are decoded one at a time, when somebody asks for them.

    Attributes:
        where: path of the file or folder, for messages.
        ids: [N] names of the examples.
        own_ids: whether the names are the data's own, so that they mean the same example in another file.
        labels: [N] class indices or class names, as stored.
        picture: row -> the image, by PIL or as an array [H, W], [H, W, C] or [C, H, W].
        columns: further columns by name, [N] each; filters see them.
        class_names: what the class indices stand for, where the data say so.

    Raises:
        InputError: there are no examples, or an id stands twice.
    """

    where: str
    ids: tuple[str, ...]
    own_ids: bool
    labels: Sequence[object]
    picture: Callable[[int], Picture]
    columns: Mapping[str, Sequence[object]] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.ids:
            raise InputError(f"{self.where}: holds no examples; give data with at least one image")
        counts = pd.Series(self.ids)
        if counts.duplicated().any():
            twice = counts[counts.duplicated()].iloc[0]
            raise InputError(f"{self.where}: the id '{twice}' stands twice; give every example an id of its own")

    def __len__(self) -> int:
        return len(self.ids)

    def renamed(self, prefix: str) -> Table:
        """Return the table with a prefix before every id, for names that mean nothing outside their file."""
        ids = tuple(f"{prefix}/{name}" for name in self.ids)
        return Table(self.where, ids, False, self.labels, self.picture, self.columns, self.class_names)


@dataclass(frozen=True)
class Splits:
    """The splits of a data file: `train`, and `test` where it has one."""

    train: Table
    test: Table | None = None


def class_indices(table: Table, label2id: Mapping[str, int]) -> np.ndarray:
    """Return the class index of every example as the model counts classes, [N] int64.

    Names are looked up in the model's `label2id`; integers are indices already, unless the data name their classes
    and the model knows every one of these names.

    Raises:
        InputError: a label is missing, not whole, out of range, or a name that the model does not know.
    """
    named = bool(table.class_names) and all(name in label2id for name in table.class_names)
    stored = np.array([_class_index(table, row, label2id) for row in range(len(table))], dtype=np.int64)
    classes = len(table.class_names) if named else len(label2id)
    wrong = np.flatnonzero((stored < 0) | (stored >= classes))
    if len(wrong):
        raise InputError(
            f"{table.where}: example '{table.ids[wrong[0]]}' has label {stored[wrong[0]]}, but "
            f"{'the data name' if named else 'the model knows'} classes 0 to {classes - 1}; "
            "correct the label or remove the row"
        )
    return np.array([label2id[name] for name in table.class_names])[stored] if named else stored


def _class_index(table: Table, row: int, label2id: Mapping[str, int]) -> int:
    label = table.labels[row]
    if not isinstance(label, str):
        return _whole(table, row)
    if label in label2id:
        return label2id[label]
    if label.isdecimal():
        return int(label)
    raise InputError(
        f"{table.where}: example '{table.ids[row]}' has label '{label}', which is not in label2id of the model's "
        f"config.json{nearest(label, label2id)}"
    )


def _whole(table: Table, row: int) -> int:
    label = table.labels[row]
    if not isinstance(label, (int, float, np.integer, np.floating)) or not float(label).is_integer():
        raise InputError(
            f"{table.where}: example '{table.ids[row]}' has label {label!r}; labels are class names or whole numbers"
        )
    return int(label)


def frame(table: Table, indices: np.ndarray, id2label: Mapping[int, str]) -> pd.DataFrame:
    """Return what filters see: `id`, `label` (index), `label_name`, and the data's further columns."""
    names = [id2label.get(int(index), str(index)) for index in indices]
    own = {"id": list(table.ids), "label": indices, "label_name": names}
    return pd.DataFrame({**own, **{name: column for name, column in table.columns.items() if name not in own}})
