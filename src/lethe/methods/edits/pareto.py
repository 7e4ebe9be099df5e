"""Which layers a gradient step should go to: those that matter most for forgetting and disturb retention least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LayerScore:
    """What is known of a layer before anything moves.

    Attributes:
        importance: I = ‖G_f‖₂ / ‖θ‖₂, how much the forget gradient asks of it.
        alignment: A = |cos(G_f, G_r)| in [0, 1], how much such a step would touch what is kept.
    """

    importance: float
    alignment: float


def layer_score(weight: Tensor, forget: Tensor, retain: Tensor) -> LayerScore:
    """Return importance and alignment of a layer; all three tensors have its shape, and the weight is not zero.

    >>> found = layer_score(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 10.0]), torch.tensor([1.0, -1.0]))
    >>> found.importance, round(found.alignment, 4)
    (2.0, 0.7071)
    """
    cosine: Tensor = torch.nn.functional.cosine_similarity(forget.double().flatten(), retain.double().flatten(), dim=0)
    return LayerScore(float(forget.norm() / weight.norm()), abs(float(cosine)))


def pareto_front(scores: Mapping[str, LayerScore]) -> list[str]:
    """Return the layers that no other beats in both, in the order given; a tie in one of the two beats nobody.

    l is left out iff some l' has A_l' < A_l and I_l' > I_l.

    Source: Cai et al. 2025, SLUG, arXiv:2407.11867, section 3.2.

    >>> pareto_front({"a": LayerScore(2, 0.1), "b": LayerScore(1, 0.5), "c": LayerScore(3, 0.5), "d": LayerScore(2, 1)})
    ['a', 'c']
    >>> pareto_front({"a": LayerScore(2, 0.1), "b": LayerScore(1, 0.1), "c": LayerScore(2, 0.3)})
    ['a', 'b', 'c']
    """
    return [
        name
        for name, one in scores.items()
        if not any(o.alignment < one.alignment and o.importance > one.importance for o in scores.values())
    ]


def weight_matrices(model: nn.Module) -> list[str]:
    """Return the weights of linear maps and convolutions by name, from input to output.

    Biases, norms, scales, and embeddings of tokens and positions are none.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    return [
        name
        for name, weight in model.named_parameters()
        if name.endswith("weight") and weight.dim() >= 2 and id(weight) not in embeddings
    ]


def scored(
    names: Sequence[str], weights: Mapping[str, Tensor], forget: Mapping[str, Tensor], retain: Mapping[str, Tensor]
) -> dict[str, LayerScore]:
    """Return the score of each layer that a step could change: neither weight nor forget gradient is zero."""
    return {
        name: layer_score(weights[name], forget[name], retain[name])
        for name in names
        if bool(weights[name].any()) and bool(forget[name].any())
    }
