"""Preprocessing: what the model's preprocessor_config.json does to an image before the network sees it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lethe.errors import InputError, LetheWarning

FILE = "preprocessor_config.json"
BYTES = 1 / 255

# Done on the device, in float, by the task; everything else is geometry and done once on bytes.
_BY_THE_TASK = ("do_rescale", "do_normalize", "do_convert_rgb")


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """How images become the network's input: geometry once on bytes, then x · scale, then (x - mean) / std.

    Args:
        processor: the image processor of transformers that resizes and crops; None leaves images as they are.
        scale: factor from stored bytes to pixel space; 1 where there is no rescaling.
        mean: per-channel mean in pixel space; empty for none.
        std: per-channel standard deviation in pixel space; empty for none.
    """

    processor: Any = None
    scale: float = BYTES
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def apply(self, image: Image.Image | np.ndarray) -> np.ndarray:
        """Return the image as the network takes it, before rescaling, [C, H, W].

        Floats are pixel space already: they are stored so that `scale` brings them back, and are not resized.

        Raises:
            ValueError: floats would have to be resized, or lie outside [0, 1] although mean and std are for pixels.
        """
        if isinstance(image, np.ndarray):
            if self.processor is not None:
                raise ValueError("floats are not resized; store bytes")
            if self.mean and (image.min() < 0 or image.max() > 1):
                raise ValueError(
                    f"its floats lie outside [0, 1], but {FILE} normalises them; store pixels as they were"
                )
            return np.ascontiguousarray(np.moveaxis(image, 2, 0)) / np.float32(self.scale)
        if self.processor is None:
            return np.ascontiguousarray(np.moveaxis(np.atleast_3d(np.asarray(image)), 2, 0))
        made = self.processor(images=[image], do_rescale=False, do_normalize=False, return_tensors="np")
        return np.rint(made["pixel_values"][0]).clip(0, 255).astype(np.uint8)


def load_preprocessing(folder: str, *, local: bool, channels: int) -> Preprocessing:
    """Return the preprocessing of a model folder, or of a model of the hub.

    Warns:
        LetheWarning: there is no preprocessor_config.json; pixels are scaled to [0, 1] and nothing else.

    Raises:
        InputError: the file is damaged, of an unknown processor, or for another number of channels.
    """
    from transformers import AutoImageProcessor

    if local and not (Path(folder) / FILE).exists():
        warnings.warn(f"{folder}: has no {FILE}; pixels are scaled to [0, 1] and nothing else", LetheWarning, 2)
        return Preprocessing()
    try:
        # One backend for everybody: the others resize to slightly different bytes.
        processor = AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=local, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}/{FILE}: no image processor can be made from it ({reason}); correct it") from None
    settings = processor.to_dict()
    moves = any(value for name, value in settings.items() if name.startswith("do_") and name not in _BY_THE_TASK)
    mean, std = _statistics(settings, folder, channels)
    return Preprocessing(
        processor=processor if moves else None,
        scale=float(settings.get("rescale_factor", BYTES)) if settings.get("do_rescale") else 1.0,
        mean=mean,
        std=std,
    )


def _statistics(settings: dict[str, Any], folder: str, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not settings.get("do_normalize"):
        return (), ()
    read = []
    for name in ("image_mean", "image_std"):
        given = settings[name]
        values = tuple(map(float, given)) if isinstance(given, (list, tuple)) else (float(given),) * channels
        if len(values) != channels:
            raise InputError(
                f"{folder}/{FILE}: {name} has {len(values)} values, the model takes {channels} channels; correct it"
            )
        read.append(values)
    return read[0], read[1]
