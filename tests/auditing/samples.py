"""Samples of three models on the same inputs, with known distances between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lethe.auditing.contrast import Contrast, contrast
from lethe.auditing.estimates import Divergence, mmd
from lethe.auditing.kernels import bandwidths, pair

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
LEVEL = 0.05


def three(
    n: int, shifts: Sequence[float], generator: torch.Generator, shared: float = 0.5, points: int = 2
) -> list[Tensor]:
    """X, Y and Z, normal around their shifts; `shared` is the correlation that the common input brings."""
    common = shared**0.5 * torch.randn(n, points, generator=generator, dtype=torch.float64)
    rest = (1 - shared) ** 0.5
    return [common + rest * torch.randn(n, points, generator=generator, dtype=torch.float64) + s for s in shifts]


def compared(samples: Sequence[Tensor], divergence: Divergence = mmd, aligned: bool = True, widths=None) -> Contrast:
    """T = D(X,Y) - D(X,Z)."""
    x, y, z = samples
    widths = bandwidths(torch.cat([x, y, z]), QUANTILES) if widths is None else widths
    return contrast([divergence(pair(x, y, widths, aligned))], [divergence(pair(x, z, widths, aligned))], aligned)


def repeated(
    times: int, n: int, shifts: Sequence[float], shared: float = 0.5, seed: int = 0
) -> Iterator[tuple[list[Tensor], torch.Generator]]:
    """Fresh samples and a generator for what a test draws, many times."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(times):
        yield three(n, shifts, generator, shared), generator


def at_level(rejections: Sequence[bool]) -> float:
    """The largest rejection rate that is the level within two standard errors."""
    return LEVEL + 2 * (LEVEL * (1 - LEVEL) / len(rejections)) ** 0.5
