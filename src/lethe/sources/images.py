"""Images as the network takes them: decoded, resized and cropped once, and kept as bytes in memory or in a file."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lethe.errors import InputError, StorageError
from lethe.progress import Progress, Silent
from lethe.sources.preprocessing import Preprocessing
from lethe.sources.tables import Picture, Table

IN_MEMORY = 2**30
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class ImageReader:
    """Decodes the images of a table into one tensor.

    Args:
        channels: channels the network takes.
        preprocessing: what the network's own preprocessing does to an image.
        folder: where sets of images that are too large for memory are mapped from; None takes the temporary folder.
        in_memory: bytes up to which a set of images is kept in memory.
        progress: who is shown how far it is.
    """

    channels: int
    preprocessing: Preprocessing
    folder: Path | None = None
    in_memory: int = IN_MEMORY
    progress: Progress = field(default_factory=Silent)

    def read(self, table: Table, rows: Sequence[int]) -> Tensor:
        """Return the images of these rows, [N, channels, height, width]: uint8, or float32 where the data are floats.

        Raises:
            InputError: an image cannot be read, or differs in size from the first one.
            StorageError: the folder cannot hold the images.
        """
        first = self._one(table, rows[0])
        images = self._room(len(rows), first)
        with self.progress.bar("reading images", len(rows)) as bar:
            for place, row in enumerate(rows):
                image = self._one(table, row) if place else first
                if image.shape != first.shape or image.dtype != first.dtype:
                    raise InputError(
                        f"{table.where}: image '{table.ids[row]}' is {_size(image)}, but '{table.ids[rows[0]]}' is "
                        f"{_size(first)}; make them alike, or let the model's preprocessor_config.json resize them"
                    )
                images[place] = torch.from_numpy(image)
                bar.advance()
        return images

    def _one(self, table: Table, row: int) -> np.ndarray:
        """Return one image, [channels, height, width]."""
        try:
            return self.preprocessing.apply(in_channels(table.picture(row), self.channels))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{table.where}: image '{table.ids[row]}' cannot be read ({reason}); restore or remove it"
            ) from None

    def _room(self, count: int, like: np.ndarray) -> Tensor:
        shape = (count, *like.shape)
        dtype = torch.from_numpy(like).dtype
        if math.prod(shape) * like.itemsize <= self.in_memory:
            return torch.empty(shape, dtype=dtype)
        return mapped(shape, dtype, self.folder or Path(tempfile.gettempdir()))


def mapped(shape: Sequence[int], dtype: torch.dtype, folder: Path) -> Tensor:
    """Return a tensor whose values lie in a file of the folder; the file goes with the process, however it ends.

    Raises:
        StorageError: the folder has no room for it.
    """
    size = math.prod(shape) * dtype.itemsize
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".images.", dir=folder)
        try:
            # Writing to a mapped file on a full disk kills the process, so its room is taken first.
            os.posix_fallocate(handle, 0, size)
            values = torch.from_file(name, shared=True, size=math.prod(shape), dtype=dtype)
        finally:
            os.close(handle)
            os.unlink(name)
    except OSError as error:
        raise StorageError(
            f"{folder}: no room for {size / 2**30:.1f} GiB of decoded images ({error.strerror}); free some space"
        ) from None
    return values.view(*shape)


def in_channels(picture: Picture, channels: int) -> Image.Image | np.ndarray:
    """Return the image with as many channels as the network takes: by PIL, or a float array [H, W, channels].

    Raises:
        ValueError: the array is no image, or its values are not those of one.
    """
    if isinstance(picture, Image.Image):
        return picture.convert(_mode(channels))
    array = _channels_last(np.asarray(picture), channels)
    if not np.issubdtype(array.dtype, np.floating):
        return _of_bytes(array).convert(_mode(channels))
    if not np.isfinite(array).all():
        raise ValueError("it holds a NaN or an infinity")
    if array.shape[2] == 1:
        array = array.repeat(channels, axis=2)
    if array.shape[2] != channels:
        raise ValueError(f"it has {array.shape[2]} channels of floats, the model takes {channels}")
    return array.astype(np.float32)


def _mode(channels: int) -> str:
    if channels not in _MODES:
        raise ValueError(f"the model takes images of {channels} channels, which image files do not have")
    return _MODES[channels]


def _of_bytes(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8:
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"its values are of type {array.dtype}; store bytes or floats")
        if array.size and (array.min() < 0 or array.max() > 255):
            raise ValueError("its whole numbers are not bytes 0 to 255")
        array = array.astype(np.uint8)
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def _channels_last(array: np.ndarray, channels: int) -> np.ndarray:
    """Return the array as [H, W, C]; the network's own number of channels decides where both readings are possible."""
    if array.ndim == 2:
        return array[:, :, None]
    if array.ndim != 3:
        raise ValueError(f"an array of shape {array.shape} is no image; store [H, W], [H, W, C] or [C, H, W]")
    for count in (channels, *_MODES):
        if array.shape[2] == count:
            return array
        if array.shape[0] == count:
            return np.moveaxis(array, 0, 2)
    raise ValueError(f"an array of shape {array.shape} has no axis of channels; store [H, W, C] or [C, H, W]")


def _size(image: np.ndarray) -> str:
    return f"{image.shape[2]}×{image.shape[1]} ({image.dtype})"
