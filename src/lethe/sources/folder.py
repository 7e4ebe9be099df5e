"""Image folders: a subfolder a class, below `train/` and `test/` where there are such."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from lethe.errors import InputError
from lethe.sources.tables import Splits, Table

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})


def read_folder(root: Path) -> Splits:
    """Return the images of a folder; ids are paths relative to it, labels the names of the class folders.

    Raises:
        InputError: there is no image in a class subfolder.
    """
    if (root / "train").is_dir():
        test = _split(root, root / "test") if (root / "test").is_dir() else None
        return Splits(_split(root, root / "train"), test)
    return Splits(_split(root, root))


def _split(root: Path, split: Path) -> Table:
    files = sorted(
        file
        for folder in sorted(split.iterdir())
        if folder.is_dir()
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
    )
    if not files:
        raise InputError(
            f"{split}: no images in class subfolders; arrange them as {split.name}/CLASS/IMAGE "
            f"({', '.join(sorted(SUFFIXES))})"
        )
    return Table(
        where=str(split),
        ids=tuple(file.relative_to(root).as_posix() for file in files),
        own_ids=False,
        labels=[file.relative_to(split).parts[0] for file in files],
        picture=lambda row: _load(files[row]),
    )


def _load(path: Path) -> Image.Image:
    # Loaded here, so that a damaged file is closed as well as a whole one.
    with Image.open(path) as image:
        image.load()
    return image
