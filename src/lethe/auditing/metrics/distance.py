"""Distance by layer: how far unlearning has moved the weights, and what the layers make of the forget set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.permutations import aligned
from lethe.auditing.units import Units
from lethe.errors import InputError
from lethe.tasks import CausalLM, Classification, Regression, Task

Layers = Mapping[str, Tensor]


@dataclass(frozen=True)
class WeightDistance(Metric):
    """How far the weights are from the original's: ‖θ - θ0‖ / ‖θ0‖ over all layers, and ‖W_l - W_l0‖ / ‖W_l0‖ by layer.

    Hidden units are first brought into the original's order, so that a copy with permuted units, which computes the
    same, is at distance 0. The value shows where a method acted, not whether it unlearned: networks trained from
    different seeds are far apart whatever they have seen, so gold models lie about as far from the original and from
    each other as their weights are long, and unlearning hardly shortens the distance to gold (mean over gold models,
    `gold_layers` in the details). `as_stored` is the value without the reordering.

    Args:
        largest_group: largest group of hidden units that is brought into order; the effort grows with its cube.

    Source: Ainsworth et al. 2022, Git Re-Basin, arXiv:2209.04836, for the order.
    """

    largest_group: int = 4096
    title: ClassVar[str] = "Weight distance"
    kind: ClassVar[Literal["distance"]] = "distance"
    needs: ClassVar[frozenset[str]] = frozenset({"units"})
    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM, Regression)
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the distance over all layers; `layers` and `gold_layers` hold it by layer."""
        units = against.original.units
        moved, sizes = self._norms(rows.weights, against.original.weights, units)
        stored, _ = _weight_norms(rows.weights, against.original.weights)
        details: dict[str, Any] = {
            "layers": {name: _ratio(moved[name], sizes[name]) for name in sizes},
            "as_stored": _ratio(_joint(stored), _joint(sizes)),
            "groups_in_order": sum(group.count <= self.largest_group for group in units),
        }
        if against.gold:
            pairs = [self._norms(rows.weights, gold.weights, units) for gold in against.gold]
            details["gold_layers"] = _mean([{n: _ratio(far[n], own[n]) for n in own} for far, own in pairs])
        return Score(_ratio(_joint(moved), _joint(sizes)), details)

    def _norms(
        self, own: Layers, reference: Layers, units: Sequence[Units]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return ‖P W_l - W_l0‖ and ‖W_l0‖ by layer."""
        _same_layers(own, reference)
        nearest = aligned(own, reference, units, self.largest_group) if units else own
        return _weight_norms(nearest, reference)


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
    norm = torch.linalg.vector_norm
    moved = {name: norm((own[name].to(reference[name].device) - reference[name]).double()).item() for name in reference}
    return moved, {name: norm(reference[name].double()).item() for name in reference}


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
