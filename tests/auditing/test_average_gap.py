from __future__ import annotations

import pytest

from lethe.auditing.average_gap import AVERAGED, average_gap
from lethe.auditing.evidence import Entry
from tests.auditing.entries import an_entry


def averaged(value: float, gold: tuple[float, ...]) -> list[Entry]:
    return [an_entry(name, "between", value=value, gold=gold) for name in AVERAGED]


def test_the_average_gap_of_a_gold_model_is_taken_from_the_others() -> None:
    gap = average_gap(averaged(0.5, (0.1, 0.2, 0.3)))
    assert gap is not None
    assert gap.value == pytest.approx(0.3)
    assert gap.original == pytest.approx(0.7)
    assert gap.gold == pytest.approx((0.15, 0.0, 0.15))


def test_the_average_gap_is_absolute_and_needs_all_four() -> None:
    entries = averaged(0.5, (0.4,))
    below = [an_entry(name, "between", value=0.3, gold=(0.4,)) for name in AVERAGED[:2]]
    mixed = average_gap([*below, *entries[2:]])
    assert mixed is not None
    assert mixed.value == pytest.approx(0.1)
    assert mixed.gold == ()
    assert average_gap(entries[:3]) is None
