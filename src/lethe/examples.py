"""Examples: named columns with stable ids, from which every batch, split and relabelling is drawn."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.errors import InputError, nearest

Column = Tensor | np.ndarray  # numbers are tensors, text is an object array


def take(column: Column, rows: Tensor) -> Column:
    """Return the rows of a column, in the order given."""
    return column[rows] if isinstance(column, Tensor) else column[rows.numpy()]


def _numbers(columns: Mapping[str, Column], name: str) -> Tensor:
    column = columns.get(name)
    if not isinstance(column, Tensor):
        raise InputError(f"the examples have no column of numbers named '{name}'{nearest(name, columns)}")
    return column


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of a set of examples.

    Attributes:
        rows: [B] positions in the set the batch was drawn from; index cached per-example values with them.
        columns: name to [B, ...] values.
    """

    rows: Tensor
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def tensor(self, name: str) -> Tensor:
        """Return a column of numbers; raises InputError where the column is missing or holds text."""
        return _numbers(self.columns, name)

    def at(self, places: Tensor) -> Batch:
        """Return the batch of the examples at these places of this one."""
        places = places.cpu()
        columns = {
            name: c[places.to(c.device)] if isinstance(c, Tensor) else take(c, places)
            for name, c in self.columns.items()
        }
        return Batch(self.rows[places], columns)

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its numbers on a device; `rows` stays where the cached values are."""
        moved = {name: c.to(device) if isinstance(c, Tensor) else c for name, c in self.columns.items()}
        return Batch(self.rows, moved)

    def with_column(self, name: str, column: Column) -> Batch:
        """Return the batch with one column added or replaced."""
        return Batch(self.rows, {**self.columns, name: column})


def join(first: Batch, second: Batch) -> Batch:
    """Concatenate two batches of the same columns, for one forward pass over both."""
    columns: dict[str, Column] = {}
    for name, column in first.columns.items():
        other = second.columns[name]
        if isinstance(column, Tensor) and isinstance(other, Tensor):
            columns[name] = torch.cat(_of_one_width(column, other))
        else:
            columns[name] = np.concatenate([np.asarray(column), np.asarray(other)])
    return Batch(torch.cat([first.rows, second.rows]), columns)


def _of_one_width(one: Tensor, other: Tensor) -> list[Tensor]:
    """Return two columns with zeros appended to the narrower: sequences are padded so, each set to its own longest."""
    if one.dim() != 2 or one.shape[1] == other.shape[1]:
        return [one, other]
    width = max(one.shape[1], other.shape[1])
    return [F.pad(column, (0, width - column.shape[1])) for column in (one, other)]


@dataclass(frozen=True, eq=False)
class Examples:
    """An ordered set of examples: named columns and one stable id a row.

    Args:
        ids: [N] distinct names, the identity of an example across sets, runs and machines.
        columns: name to [N, ...] tensor (numbers) or object array (text).

    Raises:
        InputError: an id stands twice, or a column has another length than the ids.
    """

    ids: tuple[str, ...]
    columns: Mapping[str, Column]

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.ids):
            twice = next(name for name, count in Counter(self.ids).items() if count > 1)
            raise InputError(f"the id '{twice}' stands twice; give every example an id of its own")
        for name, column in self.columns.items():
            if len(column) != len(self.ids):
                raise InputError(f"column '{name}' has {len(column)} rows but there are {len(self.ids)} ids")

    @classmethod
    def of(cls, *, prefix: str = "", **columns: Column) -> Examples:
        """Return examples with the ids `prefix0`, `prefix1` …: give each data set a prefix of its own.

        >>> Examples.of(prefix="train-", input=torch.zeros(2, 4), label=torch.tensor([0, 1])).ids
        ('train-0', 'train-1')
        """
        count = len(next(iter(columns.values()), ()))
        return cls(tuple(f"{prefix}{row}" for row in range(count)), columns)

    @classmethod
    def from_dataset(cls, dataset: Sequence[tuple[Tensor, int]], *, prefix: str = "") -> Examples:
        """Return the items of a PyTorch dataset of (input, label) pairs, all inputs of one shape, held in memory.

        Raises:
            InputError: an input has another shape than the first.
        """
        inputs: list[Tensor] = []
        labels: list[int] = []
        for row in range(len(dataset)):
            value, label = dataset[row]
            if inputs and value.shape != inputs[0].shape:
                raise InputError(
                    f"item {row} has shape {tuple(value.shape)}, item 0 has {tuple(inputs[0].shape)}; resize them alike"
                )
            inputs.append(value)
            labels.append(int(label))
        return cls.of(prefix=prefix, input=torch.stack(inputs), label=torch.tensor(labels))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def tensor(self, name: str) -> Tensor:
        """Return a column of numbers; raises InputError where the column is missing or holds text."""
        return _numbers(self.columns, name)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Id to row."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids and columns: two sets with the same fingerprint hold the same examples in the same order."""
        digest = hashlib.sha256("\0".join(self.ids).encode())
        for name in sorted(self.columns):
            column = self.columns[name]
            digest.update(name.encode())
            if isinstance(column, Tensor):
                digest.update(f"{column.dtype}{tuple(column.shape)}".encode())
                digest.update(column.contiguous().view(torch.uint8).numpy().tobytes() if column.numel() else b"")
            else:
                digest.update("\0".join(map(str, column)).encode())
        return digest.hexdigest()

    def take(self, rows: Tensor | Sequence[int]) -> Examples:
        """Return the examples at these rows, in this order."""
        index = torch.as_tensor(rows, dtype=torch.long)
        return Examples(
            tuple(self.ids[i] for i in index.tolist()), {name: take(c, index) for name, c in self.columns.items()}
        )

    def select(self, ids: Iterable[str]) -> Examples:
        """Return the examples with these ids, in the order of this set.

        Raises:
            InputError: an id is unknown (the nearest is named) or stands twice.
        """
        wanted: set[str] = set()
        for name in ids:
            if name not in self.position:
                raise InputError(f"unknown id '{name}': no such example among {len(self)}{_near_id(name, self.ids)}")
            if name in wanted:
                raise InputError(f"the id '{name}' is asked for twice; name every id once")
            wanted.add(name)
        return self.take(sorted(self.position[name] for name in wanted))

    def without(self, ids: Iterable[str]) -> Examples:
        """Return the examples whose ids are not among these; ids that are not here are of no consequence."""
        gone = set(ids)
        return self.take([row for row, name in enumerate(self.ids) if name not in gone])

    def with_column(self, name: str, column: Column) -> Examples:
        """Return the same examples with one column added or replaced (relabelling, flags, weights)."""
        return Examples(self.ids, {**self.columns, name: column})

    def sample(self, count: int, generator: torch.Generator) -> Examples:
        """Return `count` examples drawn without replacement, all where there are fewer, in the order of this set."""
        rows = torch.randperm(len(self), generator=generator)[:count]
        return self.take(rows.sort().values)

    def batch(self, rows: Tensor) -> Batch:
        """Return the rows as a batch."""
        return Batch(rows, {name: take(c, rows) for name, c in self.columns.items()})

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all examples in order, `size` at a time; the last batch may be smaller."""
        for rows in torch.arange(len(self)).split(size):
            yield self.batch(rows)


def _near_id(name: str, ids: Sequence[str]) -> str:
    # A close match over a million ids would take minutes; over a few thousand it helps.
    return nearest(name, ids) if len(ids) <= 5_000 else ""


def concatenate(first: Examples, second: Examples) -> Examples:
    """Return the examples of both sets; they must share their columns and no id."""
    both = join(first.batch(torch.arange(len(first))), second.batch(torch.arange(len(second))))
    return Examples(first.ids + second.ids, both.columns)


def shuffled(count: int, size: int, generator: torch.Generator) -> list[Tensor]:
    """Return rows 0..count-1 in random order, cut into batches of `size`; the last may be smaller.

    A last batch of one example joins the batch before it: batch norm cannot be trained on a single example.
    """
    batches = list(torch.randperm(count, generator=generator).split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches
