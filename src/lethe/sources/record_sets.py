"""Parquet files, folders of `datasets` and data sets of the hub, read as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lethe.errors import InputError, nearest
from lethe.sources.checkpoint import UNREADABLE, quiet_libraries, shortened
from lethe.sources.columnar import is_saved, open_parquet, open_saved
from lethe.sources.records import Records, stem


def read_parquet(path: Path) -> Records:
    """Return the rows of a Parquet file.

    Raises:
        InputError: the file is damaged.
    """
    return Records(str(path), stem(path), open_parquet(path).to_pylist())


def read_folder(path: Path, parts: tuple[str, ...]) -> Records:
    """Return one split of a folder: one that save_to_disk wrote, or a copy of a data set of the hub.

    Args:
        path: the folder.
        parts: the split, or the configuration and the split, of a data set that has several.

    Raises:
        InputError: the folder is damaged, or the split is unknown or one of several and not named.
    """
    if is_saved(path):
        return _split(str(path), path.name, open_saved(path), parts)
    return _loaded(str(path), path.name, parts)


def read_hub(name: str, parts: tuple[str, ...]) -> Records:
    """Return one split of a data set of the hub; see `read_folder`."""
    return _loaded(name, name.partition("/")[2], parts)


def _loaded(name: str, short: str, parts: tuple[str, ...]) -> Records:
    """Return a split of what `load_dataset` finds; it reads data files and runs no code of theirs."""
    import datasets

    bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with quiet_libraries():
            configuration = _configuration(name, parts, datasets.get_dataset_config_names(name))
            loaded = datasets.load_dataset(name, configuration)
    except (*UNREADABLE, datasets.exceptions.DatasetsError) as error:
        raise InputError(f"{name}: cannot be read as a data set ({shortened(error)}); check its name") from None
    finally:
        if not bars:
            datasets.enable_progress_bars()
    if not parts or parts[0] != configuration:
        return _split(name, short, loaded, parts)
    return _split(f"{name}:{configuration}", f"{short}-{configuration}", loaded, parts[1:])


def _configuration(name: str, parts: tuple[str, ...], known: Sequence[str]) -> str | None:
    """Return the configuration that is meant: the one named, or the only one there is."""
    if parts and parts[0] in known:
        return parts[0]
    if len(parts) > 1:
        raise InputError(f"{name}: has no configuration '{parts[0]}'{nearest(parts[0], known)}")
    if len(known) > 1:
        raise InputError(f"{name}: has several configurations ({', '.join(known[:20])}); name one: {name}:CONFIG:SPLIT")
    return next(iter(known), None)


def _split(where: str, short: str, loaded: Any, parts: tuple[str, ...]) -> Records:
    """Return the rows of a data set, or of the named one of several splits."""
    splits: Mapping[str, Any] | None = loaded if isinstance(loaded, dict) else None
    if len(parts) > 1 or (parts and splits is None):
        raise InputError(f"{where}: has no parts to be named by ':{parts[0]}'; leave that out")
    if splits is None:
        return Records(where, short, loaded.to_list())
    if not parts and len(splits) > 1:
        raise InputError(f"{where}: has several splits ({', '.join(splits)}); name one: {where}:SPLIT")
    chosen = parts[0] if parts else next(iter(splits))
    if chosen not in splits:
        raise InputError(f"{where}: has no split '{chosen}'{nearest(chosen, splits)}")
    return Records(f"{where}:{chosen}", f"{short}-{chosen}", splits[chosen].to_list())
