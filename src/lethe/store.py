"""Run folders: atomic writes, one owner at a time, a record of what was asked, and checkpoints to resume from."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lethe.errors import StorageError

RECORD = "record.json"
EVIDENCE = "evidence.json"
CHECKPOINT = "checkpoint"
MODEL = "model"


def atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part, whatever happens meanwhile.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the old content is intact.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            size = f"{len(content) / 2**20:.1f} MiB"
            raise StorageError(
                f"{path}: the disk is full ({size} were to be written); free some space and run the same "
                "command again, it goes on from the last checkpoint"
            ) from None
        raise StorageError(f"{path}: cannot be written ({error.strerror}); choose another folder") from None


def canonical(value: Any) -> str:
    """Return JSON with sorted keys: equal configurations give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of a configuration, whatever the order of its keys."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        StorageError: the file is missing or is not whole JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise StorageError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path}: not whole JSON ({error}); remove the file or restore it") from None


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically; numbers that are not finite are refused."""
    atomic(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


class RunFolder:
    """A folder that belongs to one configuration and, while it is open, to one process.

    Layout: `record.json`, `model/`, `evidence.json`, `report.html`, and `checkpoint/` while a run is not done.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def model(self) -> Path:
        """Where the unlearned model is saved."""
        return self.path / MODEL

    def record(self) -> dict[str, Any] | None:
        """Return the record, or None where nothing was run here yet."""
        path = self.path / RECORD
        if not path.exists():
            return None
        record = read_json(path)
        if not isinstance(record, dict):
            raise StorageError(f"{path}: not a record of a run; choose another folder")
        return record

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Replace the record."""
        write_json(self.path / RECORD, dict(record))

    def claim(self, configuration: Mapping[str, Any]) -> None:
        """Raise StorageError where the folder holds a run of another configuration, naming what differs."""
        record = self.record()
        if record is None:
            return
        before = record.get("configuration", {})
        if digest(before) != digest(dict(configuration)):
            keys = {k for k in {*before, *configuration} if canonical(before.get(k)) != canonical(configuration.get(k))}
            raise StorageError(
                f"{self.path}: holds a run of another configuration (differs in {', '.join(sorted(keys))}); "
                "give this run a folder of its own with --out, or remove that one"
            )

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the folder for this process; the lock falls with the process, also when it is killed.

        Raises:
            StorageError: another process is working in the folder, or it cannot be created.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = open(self.path / ".lock", "a+")  # noqa: SIM115 - held open for as long as the lock is
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be used as a run folder ({error.strerror}); choose another"
            ) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise StorageError(
                    f"{self.path}: process {owner} is working in this folder; wait for it or choose another folder"
                ) from None
            for left in self.path.rglob(".*.part"):
                left.unlink(missing_ok=True)  # of an owner that was killed while writing
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield


class Checkpoints:
    """Named snapshots of a run in progress: tensors and a few facts in one safetensors file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def child(self, name: str) -> Checkpoints:
        """Return the snapshots of a part of the run, kept in a folder of their own."""
        return Checkpoints(self.folder / name)

    def clear(self) -> None:
        """Remove all snapshots: the run is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def also_as(self, name: str, other: str) -> None:
        """Keep a snapshot under a second name, in the place of what had it; without such a snapshot nothing happens."""
        link = self.folder / f".{other}.{os.getpid()}.part"
        link.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.link(self.folder / f"{name}.safetensors", link)
            os.replace(link, self.folder / f"{other}.safetensors")

    def save(self, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Write a snapshot in one atomic step, so that tensors and facts always belong together."""
        from safetensors.torch import save

        content = save(dict(tensors), metadata={"facts": json.dumps(dict(facts))})
        atomic(self.folder / f"{name}.safetensors", content)

    def load(self, name: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the snapshot of that name, or None where there is none.

        Raises:
            StorageError: the file is damaged.
        """
        from safetensors import SafetensorError, safe_open

        path = self.folder / f"{name}.safetensors"
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["facts"])
                return {key: file.get_tensor(key) for key in file.keys()}, facts  # noqa: SIM118 - not a mapping
        except (SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise StorageError(f"{path}: damaged checkpoint ({error}); remove it and run the command again") from None
