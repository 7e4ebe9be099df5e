"""Curvature of the loss around an input, as a term that keeps it what it was."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.examples import Batch
from lethe.tasks import Classification


def input_curvature(
    model: nn.Module, task: Classification, batch: Batch, length: float, create_graph: bool = False
) -> Tensor:
    """Return κ = ‖∇_x[ℓ(x + z) - ℓ(x)]‖₂ of each example, z = h sign(∇ℓ) / ‖sign(∇ℓ)‖₂ held fixed.

    Args:
        model: the network.
        task: how it is fed; x is the normalised input, ℓ the cross-entropy with the true label (of the example
            alone: the release's batch mean divides κ by the batch size).
        batch: B examples.
        length: h.
        create_graph: whether κ shall be differentiable in the weights.

    Returns:
        [B], at least 0.

    Source: Moosavi-Dezfooli et al. 2019, CURE, arXiv:1811.09716.
    """
    labels = task.labels(batch)

    def slope(inputs: Tensor) -> Tensor:
        loss = F.cross_entropy(task.logits(model, inputs), labels, reduction="sum")
        return torch.autograd.grad(loss, inputs, create_graph=create_graph)[0]

    with torch.enable_grad():
        # A clone, because counters that hook the modules' inputs refuse leaves in autograd.grad.
        inputs = task.normalise(task.pixels(batch)).requires_grad_(True).clone()
        here = slope(inputs)
        sign = here.detach().sign().flatten(1)
        # Where the gradient is 0 there is no direction to look in, and κ is 0.
        direction = length * sign / torch.linalg.vector_norm(sign, dim=1, keepdim=True).clamp_min(1.0)
        there = slope(inputs + direction.view_as(inputs))
        return torch.linalg.vector_norm((there - here).flatten(1), dim=1)
