"""Images from elsewhere: patches of two photographs that come with scikit-learn, as small as the digits."""

from __future__ import annotations

from functools import cache

import torch

from lethe.examples import Examples

SIDES = (8, 16, 32, 64)


@cache
def patches(count: int) -> Examples:
    """Return grey patches of 8×8, bytes 0 … 16 like the digits, cut out at four scales and stretched to all shades."""
    from sklearn.datasets import load_sample_images

    photographs = [torch.from_numpy(image.copy()).float().mean(2) for image in load_sample_images().images]
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(count, 1, 8, 8, dtype=torch.uint8)
    for i in range(count):
        photograph, side = photographs[i % 2], SIDES[i // 2 % 4]
        top, left = (int(torch.randint(length - side, (1,), generator=generator)) for length in photograph.shape)
        patch = photograph[top : top + side, left : left + side].view(8, side // 8, 8, side // 8).mean((1, 3))
        stretched = (patch - patch.min()) / (patch.max() - patch.min()).clamp_min(1e-6)
        images[i, 0] = (16 * stretched).round().to(torch.uint8)
    return Examples.of(prefix="patch-", image=images)
