"""Rounding of weights to few bits: what quantisation leaves of them, written back as ordinary numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from lethe.errors import ConfigurationError

OFFSET = 0.9677083
"""Where NF4 stops short of the quantile 1, which is infinite: the mean of 1 - 1/(2·15) and 1 - 1/(2·16)."""


def absmax(weight: Tensor, bits: int, group: int = 0) -> Tensor:
    """Return the weights rounded to the nearest of 2^bits - 1 evenly spaced levels, symmetric around 0.

    ŵ = s · round(w / s), s = max |w| / (2^(bits-1) - 1) over a row, or over a group of it. So |ŵ - w| ≤ s/2, and the
    largest weight stays. Computed in float64.

    Args:
        weight: [R, C]; a row is an output channel.
        bits: 2 or more; 32 rounds nothing.
        group: length of the groups a row is cut into, the last one shorter; 0 takes the row as one.

    Source: Dettmers et al. 2022, LLM.int8(), arXiv:2208.07339, eq. 2 (absmax), here row by row.

    >>> absmax(torch.tensor([[7.0, -3.4, 0.6]]), bits=4).tolist()
    [[7.0, -3.0, 1.0]]
    """
    if bits >= 32:
        return weight
    levels = 2 ** (bits - 1) - 1
    parts = []
    for part in weight.double().split(group or weight.shape[1], dim=1):
        largest = part.abs().amax(1, keepdim=True)
        scale = torch.where(largest > 0, largest, 1.0) / levels
        parts.append((part / scale).round() * scale)
    return torch.cat(parts, 1).to(weight.dtype)


def nf4(weight: Tensor, block: int = 64) -> Tensor:
    """Return the weights rounded to the nearest of the 16 levels of NF4, quantiles of a normal distribution.

    Each block of `block` weights in a row is divided by its largest magnitude first. Computed in float64.

    Args:
        weight: [R, C].
        block: length of the blocks, the last of a row shorter.

    Source: Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3.
    """
    levels = nf4_levels().to(weight.device)
    middles = (levels[1:] + levels[:-1]) / 2
    parts = []
    for part in weight.double().split(block, dim=1):
        largest = part.abs().amax(1, keepdim=True)
        scale = torch.where(largest > 0, largest, 1.0)
        parts.append(levels[torch.bucketize(part / scale, middles)] * scale)
    return torch.cat(parts, 1).to(weight.dtype)


def nf4_levels() -> Tensor:
    """Return the levels of NF4, [16] float64 from -1 to 1: eight quantiles above 0, seven below, and 0 itself.

    >>> [round(level, 4) for level in nf4_levels().tolist()][:3], len(nf4_levels())
    ([-1.0, -0.6962, -0.5251], 16)
    """
    above = torch.special.ndtri(torch.linspace(OFFSET, 0.5, 9, dtype=torch.float64)[:-1])
    below = -torch.special.ndtri(torch.linspace(OFFSET, 0.5, 8, dtype=torch.float64)[:-1])
    levels = torch.cat([above, torch.zeros(1, dtype=torch.float64), below]).sort().values
    return levels / levels.abs().max()


def require_bits(bits: int) -> None:
    """Raise ConfigurationError where weights cannot be rounded to so many bits."""
    if not (2 <= bits <= 16 or bits == 32):
        raise ConfigurationError(f"bits must lie between 2 and 16, or be 32 for weights as they are, not {bits}")
