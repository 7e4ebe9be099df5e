"""The shelf: views and features that were made once, in files named by what they were made from."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from lethe.errors import StorageError
from lethe.store import Checkpoints, atomic
from lethe.ui.schema import plain


class Shelf:
    """Compressed JSON and tensors in one folder; a file is whole or not there.

    Args:
        folder: made when something is put there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tensors = Checkpoints(folder)

    def has(self, name: str) -> bool:
        """Whether there is a view of that name."""
        return self._path(name).exists()

    def put(self, name: str, value: Any) -> None:
        """Keep a view, or anything made of views; raises StorageError where the disk is full."""
        text = json.dumps(plain(value), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        atomic(self._path(name), gzip.compress(text.encode(), 5, mtime=0))

    def get(self, name: str) -> Any:
        """Return what was put under the name, as plain data.

        Raises:
            StorageError: it is not there, or damaged.
        """
        path = self._path(name)
        try:
            return json.loads(gzip.decompress(path.read_bytes()))
        except FileNotFoundError:
            raise StorageError(f"{path}: no such file; start lethe compare again") from None
        except (OSError, EOFError, ValueError) as error:
            raise StorageError(f"{path}: damaged ({error}); remove it and start lethe compare again") from None

    def put_tensors(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Keep tensors under a name."""
        self._tensors.save(name, tensors, {})

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return the tensors under the name; raises StorageError where there are none."""
        found = self._tensors.load(name)
        if found is None:
            raise StorageError(f"{self.folder / name}: no such features; start lethe compare again")
        return found[0]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json.gz"
