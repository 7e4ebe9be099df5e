"""Permutations: bring the hidden units of one model into the order of another before their weights are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lethe.auditing.units import Axis, Units, permuted

Layers = Mapping[str, Tensor]
SWEEPS = 10  # passes over all groups; one or two are enough unless neighbouring groups disagree


def aligned(own: Layers, reference: Layers, units: Sequence[Units], most: int = 4096) -> dict[str, Tensor]:
    """Return the weights with hidden units permuted so that they lie nearest to the reference's.

    For each group in turn the permutation P that maximises Σ ⟨w_P(i), w_i^ref⟩ over the rows that make unit i and the
    columns that read it is found exactly (linear assignment), the other groups being as they are, until none changes:
    ‖Pθ - θ_ref‖ falls with every step. The first pass looks only at where units are made, from input to output: what
    reads them is still in disorder there. Where the order found is no nearer than the one given, that is returned.

    Args:
        own: layer name to weight.
        reference: the same layers of another model.
        units: the groups that can be exchanged without changing what the model computes.
        most: largest group that is matched; the effort grows with its cube.

    Source: Ainsworth et al. 2022, Git Re-Basin, arXiv:2209.04836, algorithm 1.
    """
    groups = [group for group in units if group.count <= most]
    found = {name: weight.double().cpu() for name, weight in own.items()}
    goal = {name: weight.double().cpu() for name, weight in reference.items()}
    start = dict(found)
    for sweep in range(SWEEPS):
        changed = False
        for group in groups:
            places = group.made if sweep == 0 else (*group.made, group.read)
            order = _matching(found, goal, group.count, places)
            if not torch.equal(order, torch.arange(group.count)):
                changed = True
                for place in (*group.made, group.read):
                    found[place.layer] = permuted(found[place.layer], place, order)
        if not changed and sweep > 0:
            break
    return found if _distance(found, goal) < _distance(start, goal) else start


def _matching(own: Layers, reference: Layers, count: int, places: Sequence[Axis]) -> Tensor:
    """Return for each unit of the reference the unit of one's own that belongs there, [count]."""
    from scipy.optimize import linear_sum_assignment

    likeness = torch.zeros(count, count, dtype=torch.float64)
    for place in places:
        likeness += _by_unit(reference[place.layer], place, count) @ _by_unit(own[place.layer], place, count).T
    return torch.from_numpy(linear_sum_assignment(likeness.numpy(), maximize=True)[1]).long()


def _by_unit(weight: Tensor, place: Axis, count: int) -> Tensor:
    """Return what belongs to each unit, [count, D]."""
    return weight.movedim(place.axis, 0).reshape(count, -1)


def _distance(own: Layers, reference: Layers) -> float:
    return sum(float((own[name] - reference[name]).square().sum()) for name in reference)
