"""Files: what an audit reads from disk, each with a hash, so that anybody can tell whether they are the same still."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lethe.auditing.evidence import HashedFile
    from lethe.cli.subject import Subject

OF_A_MODEL = (".safetensors", ".json", ".model", ".txt", ".jinja")
CHUNK = 2**20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def hashed(subject: Subject, policy: Path | None, folder: Path | None) -> tuple[HashedFile, ...]:
    """Return every file of the models, the data, the run's record and the policy, with its hash.

    Models and data of the hub have no files of their own; their weights and examples are hashed by the audit itself.

    Args:
        subject: what is audited.
        policy: the policy file, where there is one.
        folder: where the evidence goes; what lies in it is named from there, so that the folder may be moved.
    """
    from lethe.auditing.evidence import HashedFile

    return tuple(HashedFile(role, named_from(path, folder), sha256_of(path)) for role, path in _files(subject, policy))


def named_from(path: Path, folder: Path | None) -> str:
    """Return how the evidence in a folder names a path: from the folder where it lies in it, else in full."""
    path = path.resolve()
    if folder is not None and path.is_relative_to(folder.resolve()):
        return str(path.relative_to(folder.resolve()))
    return str(path)


def origin(subject: Subject, folder: Path | None) -> dict[str, Any]:
    """Return what the audited model and its problem were read from, for the evidence's settings."""
    model = Path(subject.model)
    return {
        "model": named_from(model, folder) if model.exists() else subject.model,
        "inputs": subject.inputs.absolute().as_dict(),
    }


def _files(subject: Subject, policy: Path | None) -> Iterator[tuple[str, Path]]:
    inputs = subject.inputs
    models = {"unlearned": subject.model, "original": inputs.model}
    models |= {f"gold {i}": path for i, path in enumerate(inputs.gold, start=1)}
    models |= {f"further original {i}": path for i, path in enumerate(subject.originals, start=1)}
    models |= {f"sibling {i}": path for i, path in enumerate(subject.siblings, start=1)}
    yield from _of_models(models)
    data = {"data": inputs.data, "forget": inputs.forget, "retain": inputs.retain, "holdout": inputs.holdout}
    for role, source in data.items():
        yield from ((role, path) for path in _of_data(source or ""))
    if subject.run is not None:
        from lethe.store import RECORD

        yield "record", subject.run / RECORD
    if policy is not None:
        yield "policy", policy


def _of_models(models: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    from lethe.sources import model_of

    for role, source in models.items():
        folder = Path(model_of(source))
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.is_file() and path.suffix in OF_A_MODEL:
                    yield role, path


def _of_data(source: str) -> list[Path]:
    """Return the files a source of data stands for; none where it is a filter, or lies on the hub."""
    if not source:
        return []
    path = Path(source)
    if not path.exists() and ":" in source:
        path = Path(source.rpartition(":")[0])  # FOLDER:split
    if path.is_file():
        return [path]
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else []
