"""Patches: where in an image a concept shows, and an image with another's patch pasted there."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PUBLISHED_SIDE = 224
"""Pixels of the images that published sizes are for."""


def size_of(pixels: float, side: int) -> int:
    """Return a length given for images of 224 pixels, in pixels of images of another side, at least 1.

    >>> size_of(64, 224), size_of(64, 28), size_of(16, 8)
    (64, 8, 1)
    """
    return max(1, min(side, round(pixels * side / PUBLISHED_SIDE)))


def windows(images: Tensor, size: int, stride: int) -> Tensor:
    """Return all windows of each image, [N, h, w, channels, size, size], from the top left to the bottom right."""
    cut = images.unfold(2, size, stride).unfold(3, size, stride)
    return cut.permute(0, 2, 3, 1, 4, 5)


def peaks(maps: Tensor, stride: int) -> Tensor:
    """Return the top left corner of the window that scores highest in each map [N, h, w], as row and column, [N, 2].

    >>> peaks(torch.tensor([[[0.0, 1.0], [3.0, 2.0]]]), 4)
    tensor([[4, 0]])
    """
    best = maps.flatten(1).argmax(1)
    return torch.stack([best // maps.shape[2], best % maps.shape[2]], dim=1) * stride


def centres(count: int, side: tuple[int, int], size: int) -> Tensor:
    """Return the corner of a window in the middle, [N, 2]."""
    return torch.tensor([[(side[0] - size) // 2, (side[1] - size) // 2]]).expand(count, 2)


def crop(images: Tensor, corners: Tensor, size: int) -> Tensor:
    """Return one window of each image, [N, channels, size, size]."""
    pairs = zip(images, corners.tolist(), strict=True)
    return torch.stack([image[:, r : r + size, c : c + size] for image, (r, c) in pairs])


def paste(images: Tensor, patches: Tensor, corners: Tensor) -> Tensor:
    """Return the images with a patch each at these corners; nothing else changes."""
    pasted, size = images.clone(), patches.shape[-1]
    for image, patch, (r, c) in zip(pasted, patches, corners.tolist(), strict=True):
        image[:, r : r + size, c : c + size] = patch
    return pasted


def resized(images: Tensor, size: int) -> Tensor:
    """Return the images in another size, of the same type: whole numbers are rounded."""
    changed = F.interpolate(images.float(), size=(size, size), mode="bilinear", align_corners=False)
    return changed.to(images.dtype) if images.is_floating_point() else changed.round().to(images.dtype)
