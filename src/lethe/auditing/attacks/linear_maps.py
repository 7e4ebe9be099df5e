"""Linear maps from hidden states to classes: ridge regression in closed form, the same for every layer and model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class LinearMap:
    """W and the standardisation before it.

    Attributes:
        mean: [D] mean of the inputs.
        scale: [D] their standard deviation; 1 where an input is constant.
        weight: [D, C].
        offset: [C] share of each class, which the map gives to the mean input.
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    offset: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the scores, [N, C] float64."""
        return (inputs.double() - self.mean) / self.scale @ self.weight + self.offset


def fitted(inputs: Tensor, classes: Tensor, count: int, ridge: float) -> LinearMap:
    """Return argmin_W Σ_i ‖x_i W - (onehot(c_i) - π)‖² + ridge · N · ‖W‖², x_i standardised, π the shares of classes.

    Solved in float64 in whichever of the two forms is smaller, D × D or N × N.

    Args:
        inputs: [N, D].
        classes: [N] int64 in 0 … count - 1.
        count: number C of classes.
        ridge: strength of the penalty, relative to the variance of the inputs.
    """
    inputs = inputs.double()
    mean, deviation = inputs.mean(0), inputs.std(0, correction=0)
    scale = torch.where(deviation > 1e-8 * deviation.max().clamp_min(1e-30), deviation, 1.0)
    x = (inputs - mean) / scale
    targets = F.one_hot(classes, count).double()
    offset = targets.mean(0)
    y = targets - offset
    penalty = ridge * len(x)
    if x.shape[1] <= len(x):
        weight = torch.linalg.solve(x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)
    else:
        weight = x.T @ torch.linalg.solve(x @ x.T + penalty * torch.eye(len(x), dtype=x.dtype), y)
    return LinearMap(mean, scale, weight, offset)
