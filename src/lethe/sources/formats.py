"""Data from disk: which format a path holds, and the reader for it."""

from __future__ import annotations

from pathlib import Path

from lethe.errors import InputError
from lethe.sources.tables import Splits

READABLE = "give an image folder with a subfolder a class, a .parquet or .npz file, or a folder of `datasets`"


def read(path: Path) -> Splits:
    """Return the tables of a data file or folder, told apart by what they hold.

    Raises:
        InputError: there is nothing there, the file is empty or damaged, or of a format that is not read.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; {READABLE}")
    if path.is_dir():
        return _read_directory(path)
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise InputError(f"{path}: is empty; {READABLE}")
    if head == b"PAR1":
        from lethe.sources.columnar import read_parquet

        return read_parquet(path)
    if head[:2] == b"PK" and path.suffix == ".npz":
        from lethe.sources.arrays import read_npz

        return read_npz(path)
    raise InputError(f"{path}: not a data file lethe reads; {READABLE}")


def _read_directory(path: Path) -> Splits:
    from lethe.sources.columnar import is_saved, read_datasets

    if is_saved(path):
        return read_datasets(path)
    from lethe.sources.folder import read_folder

    return read_folder(path)
