"""Distance by layer: how far unlearning has moved the weights, and what the layers make of the forget set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.errors import InputError
from lethe.tasks import CausalLM, Classification, Task

Layers = Mapping[str, Tensor]


@dataclass(frozen=True)
class WeightDistance(Metric):
    """How far the weights are from the original's: ‖θ - θ0‖ / ‖θ0‖ over all layers, and ‖W_l - W_l0‖ / ‖W_l0‖ by layer.

    It shows where a method acted, not whether it unlearned: networks trained from different seeds are far apart
    whatever they have seen, so gold models lie about as far from the original and from each other as their weights
    are long, and unlearning hardly shortens the distance to gold (mean over gold models, `gold_layers` in the details).
    """

    title: ClassVar[str] = "Weight distance"
    kind: ClassVar[Literal["distance"]] = "distance"
    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM)
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the distance over all layers; `layers` and `gold_layers` hold it by layer."""
        moved, sizes = _weight_norms(rows.weights, against.original.weights)
        layers = {name: _ratio(moved[name], sizes[name]) for name in sizes}
        details = {"layers": layers}
        if against.gold:
            details["gold_layers"] = _mean([_relative_weights(rows.weights, gold.weights) for gold in against.gold])
        return Score(_ratio(_joint(moved), _joint(sizes)), details)


@dataclass(frozen=True)
class ActivationDistance(Metric):
    """How far the layers' outputs on the forget set are from the original's.

    By layer: mean_i ‖a_l(x_i) - a_l0(x_i)‖ / mean_i ‖a_l0(x_i)‖ over x_i in D_f, each output averaged over positions;
    the value is the mean over layers.
    """

    title: ClassVar[str] = "Activation distance"
    kind: ClassVar[Literal["distance"]] = "distance"
    needs: ClassVar[frozenset[str]] = frozenset({"activations"})
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean over layers; `layers` holds the distance by layer."""
        return _over_layers(_relative_activations(rows["forget"].activations, against.original["forget"].activations))


@dataclass(frozen=True)
class GoldActivationDistance(Metric):
    """How far the layers' outputs on the forget set are from those of gold models, mean over gold models.

    Channels of networks from different seeds do not correspond, so gold models are themselves far from each other:
    read the value beside theirs.
    """

    title: ClassVar[str] = "Activations to gold"
    kind: ClassVar[Literal["distance"]] = "distance"
    needs: ClassVar[frozenset[str]] = frozenset({"activations", "gold"})
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean over layers; `layers` holds the distance by layer."""
        own = rows["forget"].activations
        return _over_layers(_mean([_relative_activations(own, gold["forget"].activations) for gold in against.gold]))


def _weight_norms(own: Layers, reference: Layers) -> tuple[dict[str, float], dict[str, float]]:
    """Return ‖W_l - W_l0‖ and ‖W_l0‖ by layer."""
    _same_layers(own, reference)
    norm = torch.linalg.vector_norm
    moved = {name: norm((own[name] - reference[name]).double()).item() for name in reference}
    return moved, {name: norm(reference[name].double()).item() for name in reference}


def _relative_weights(own: Layers, reference: Layers) -> dict[str, float]:
    moved, sizes = _weight_norms(own, reference)
    return {name: _ratio(moved[name], sizes[name]) for name in sizes}


def _relative_activations(own: Layers, reference: Layers) -> dict[str, float]:
    _same_layers(own, reference)
    # A ratio of means: in a mean of ratios one example that hardly excites a layer would decide its value.
    return {
        name: _ratio(
            torch.linalg.vector_norm(own[name] - reference[name], dim=1).double().mean().item(),
            torch.linalg.vector_norm(reference[name], dim=1).double().mean().item(),
        )
        for name in reference
    }


def _same_layers(own: Layers, reference: Layers) -> None:
    for name in sorted(own.keys() | reference.keys()):
        if name not in own or name not in reference or own[name].shape != reference[name].shape:
            raise InputError(
                f"layer '{name}' is not the same in both models; compare models of one architecture, "
                "and one with an adapter after --merge"
            )


def _ratio(distance: float, size: float) -> float:
    # A layer that was all zeros (a mask, an untrained token) has moved by its whole self or not at all.
    return distance / size if size else float(distance > 0)


def _joint(norms: Mapping[str, float]) -> float:
    return sum(value**2 for value in norms.values()) ** 0.5


def _mean(layers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(one[name] for one in layers) / len(layers) for name in layers[0]}


def _over_layers(layers: Mapping[str, float]) -> Score:
    return Score(sum(layers.values()) / len(layers), {"layers": dict(layers)})
