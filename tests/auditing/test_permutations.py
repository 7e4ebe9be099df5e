from __future__ import annotations

import itertools

import hypothesis.strategies as st
import torch
from hypothesis import given

from lethe.auditing.permutations import aligned
from lethe.auditing.units import Axis, Units, permuted

CHAIN = (
    Units(3, (Axis("one", 0),), Axis("two", 1, 2)),  # each unit is read through two columns
    Units(3, (Axis("two", 0),), Axis("three", 1)),
)
SHAPES = {"one": (3, 4), "two": (3, 6), "three": (2, 3)}


def drawn(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def shuffled(weights: dict[str, torch.Tensor], orders: list[list[int]]) -> dict[str, torch.Tensor]:
    found = dict(weights)
    for units, order in zip(CHAIN, orders, strict=True):
        for place in (*units.made, units.read):
            found[place.layer] = permuted(found[place.layer], place, torch.tensor(order))
    return found


def distance(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    return sum(float((first[name].double() - second[name].double()).square().sum()) for name in second) ** 0.5


@given(st.permutations(range(3)), st.permutations(range(3)), st.integers(0, 50))
def test_a_permuted_copy_is_brought_back_to_the_bit(first: list[int], second: list[int], seed: int) -> None:
    weights = drawn(seed)
    assert distance(aligned(shuffled(weights, [first, second]), weights, CHAIN), weights) == 0


@given(st.integers(0, 30))
def test_other_weights_come_as_near_as_any_permutation_of_one_group_brings_them(seed: int) -> None:
    """With one group the assignment is exact: no order of its units is nearer."""
    own, reference, group = drawn(seed), drawn(seed + 100), CHAIN[1:]
    found = distance(aligned(own, reference, group), reference)
    orders = itertools.permutations(range(3))
    least = min(distance(shuffled(own, [[0, 1, 2], list(order)]), reference) for order in orders)
    assert abs(found - least) < 1e-9


@given(st.integers(0, 30))
def test_it_never_makes_weights_lie_farther(seed: int) -> None:
    own, reference = drawn(seed), drawn(seed + 100)
    assert distance(aligned(own, reference, CHAIN), reference) <= distance(own, reference) + 1e-12


def test_too_large_a_group_is_left_as_it_is() -> None:
    weights = drawn(0)
    moved = shuffled(weights, [[1, 2, 0], [0, 1, 2]])
    assert distance(aligned(moved, weights, CHAIN, most=2), weights) == distance(moved, weights) > 0
