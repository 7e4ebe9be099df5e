"""Pruning masks: which weights of a network stay, by magnitude or by synaptic flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.models import copied
from lethe.scopes.importance import largest
from lethe.tasks import Classification, Task, device_of

Kind = Literal["convolutions", "matrices"]
Pattern = Mapping[str, Tensor]
"""Parameter name to a boolean tensor of its shape, False where the weight is pruned; others are left whole."""


def prunable(model: nn.Module, task: Task, kind: Kind = "convolutions") -> dict[str, nn.Parameter]:
    """Return the weights that pruning works on; norms, biases and the head are never among them.

    Args:
        model: the network.
        task: knows its head.
        kind: `convolutions` as published, or all weight `matrices`, convolutions among them.

    Raises:
        ConfigurationError: the model has none of that kind.
    """
    head = {id(p) for p in task.head(model).parameters()}
    convolutions = {id(module.weight) for module in model.modules() if isinstance(module, nn.modules.conv._ConvNd)}
    chosen = {
        name: parameter
        for name, parameter in model.named_parameters()
        if id(parameter) not in head
        and (id(parameter) in convolutions if kind == "convolutions" else parameter.dim() >= 2)
    }
    if not chosen:
        raise ConfigurationError(
            f"the model has no {kind} to prune beside its head; "
            + ("choose layers=matrices" if kind == "convolutions" else "it cannot be pruned")
        )
    return chosen


def survivors(scores: Mapping[str, Tensor], keep: float) -> dict[str, Tensor]:
    """Return the pattern that keeps the round(keep · N) largest scores of all N together."""
    return largest(scores, round(keep * sum(score.numel() for score in scores.values())))


def by_magnitude(model: nn.Module, task: Task, sparsity: float, kind: Kind = "convolutions") -> dict[str, Tensor]:
    """Return the pattern without the share `sparsity` of the prunable weights that is smallest in magnitude."""
    return survivors({name: p.detach().abs() for name, p in prunable(model, task, kind).items()}, 1 - sparsity)


def by_synaptic_flow(
    model: nn.Module,
    task: Classification,
    shape: torch.Size,
    sparsity: float,
    kind: Kind = "convolutions",
    rounds: int = 100,
) -> dict[str, Tensor]:
    """Return the pattern that keeps the paths along which most flows, found without data.

    R = Σ outputs of the network of |weights| on an input of ones; score |w ∂R/∂w|; after round k of n the share
    (1-s)^(k/n) of the weights is left. In double precision: R is a product over all layers.

    Args:
        model: the network, usually before training.
        task: how the network is fed.
        shape: shape of one input, [channels, height, width].
        sparsity: share s of the prunable weights that goes.
        kind: what is pruned.
        rounds: n.

    Source: Tanaka et al. 2020, SynFlow, arXiv:2006.05467, algorithm 1.
    """
    flow = copied(model).double().eval()
    with torch.no_grad():
        for tensor in flow.state_dict().values():
            if tensor.is_floating_point():
                tensor.abs_()
    chosen = prunable(flow, task, kind)
    ones = torch.ones((1, *shape), dtype=torch.float64, device=device_of(flow))
    pattern = {name: torch.ones_like(p, dtype=torch.bool) for name, p in chosen.items()}
    for k in range(1, rounds + 1):
        gradients = torch.autograd.grad(task.logits(flow, ones).sum(), list(chosen.values()))
        scores = {
            # A survivor may score 0 as well: what is gone ranks behind all of them.
            name: torch.where(pattern[name], (p * gradient).detach().abs(), -1.0)
            for (name, p), gradient in zip(chosen.items(), gradients, strict=True)
        }
        pattern = survivors(scores, (1 - sparsity) ** (k / rounds))
        zero(flow, pattern)
    return pattern


@torch.no_grad()
def zero(model: nn.Module, pattern: Pattern) -> None:
    """Set the pruned weights of the model to exactly 0."""
    parameters = dict(model.named_parameters())
    for name, kept in pattern.items():
        parameters[name].masked_fill_(~kept, 0.0)


def sparsity_of(model: nn.Module, task: Task, kind: Kind = "convolutions") -> float:
    """Return the share of the prunable weights that are exactly 0."""
    weights = list(prunable(model, task, kind).values())
    return sum(int((p == 0).sum()) for p in weights) / sum(p.numel() for p in weights)
