"""Features that a loss on them alone can move."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.examples import Batch
from lethe.tasks import Task


def moving_features(task: Task, model: nn.Module, batch: Batch, who: str) -> Tensor:
    """Return the features of a batch, [B, d]; raises ConfigurationError where no weight before them may move."""
    features = task.features(model, batch)
    if torch.is_grad_enabled() and not features.requires_grad:
        raise ConfigurationError(f"{who} moves what comes before the last layer, and the scope leaves no weight there")
    return features
