from __future__ import annotations

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.auditing.power import Finding, Gold, finding, interval, power, reach

GOLD = Gold((0.10, 0.11, 0.12), resolution=0.01)
number = st.floats(-10, 10)


def test_power_asks_whether_another_gold_model_could_be_the_original() -> None:
    assert GOLD.reach is not None
    assert power(GOLD.mean + 1.01 * GOLD.reach, GOLD).has_power is True
    assert power(GOLD.mean - 0.99 * GOLD.reach, GOLD).has_power is False


def test_one_gold_model_proves_nothing_either_way() -> None:
    alone = Gold((0.1,), resolution=0.01)
    judged = power(0.9, alone)
    assert judged.has_power is None
    assert "single gold model" in judged.reason
    assert interval(0.8, alone, None) is None
    assert finding(0.9, 0.9, alone) == "no power"


def test_without_gold_there_is_no_finding() -> None:
    assert power(0.9, None).has_power is None
    assert finding(0.5, 0.9, None) == "no gold"


def test_gold_models_that_agree_exactly_still_have_the_spread_of_the_resolution() -> None:
    agreed = Gold((0.0, 0.0, 0.0), resolution=1 / 129)
    assert agreed.spread == 1 / 129
    assert finding(1 / 129, 1.0, agreed) == "like gold"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.11, "like gold"),
        (0.11 + 0.04, "like gold"),
        (0.5, "between"),
        (0.87, "like the original"),
        (0.95, "like the original"),
        (0.0, "beyond gold"),
    ],
)
def test_a_finding_says_where_the_value_lies(value: float, expected: Finding) -> None:
    assert finding(value, 0.9, GOLD) == expected


def test_where_gold_and_original_agree_only_damage_can_be_found() -> None:
    assert finding(0.12, 0.13, GOLD) == "no power"
    assert finding(0.50, 0.13, GOLD) == "beyond gold"


@given(value=number, original=number, gold=st.lists(number, min_size=2, max_size=5), shift=number)
def test_a_finding_does_not_depend_on_zero_or_sign(
    value: float, original: float, gold: list[float], shift: float
) -> None:
    here = finding(value, original, Gold(tuple(gold), 1e-3))
    assert finding(-value, -original, Gold(tuple(-one for one in gold), 1e-3)) == here


def test_the_prediction_interval_holds_19_of_20_further_gold_models() -> None:
    draws = torch.randn(4_000, 4, generator=torch.Generator().manual_seed(0)).tolist()
    inside = [abs(last - statistics.fmean(golds)) <= reach(statistics.stdev(golds), 3) for *golds, last in draws]
    assert 0.93 < statistics.fmean(inside) < 0.97


def test_the_interval_of_a_gap_covers_the_true_gap() -> None:
    # 100 paired examples and three gold models: each gold's mean has a seed error of its own beside the sampling error.
    generator = torch.Generator().manual_seed(0)
    seeds, truth, covered = 0.05, 0.3, []
    for _ in range(150):
        example = truth + 0.5 * torch.randn(100, generator=generator)
        shift = seeds * torch.randn(3, generator=generator)
        rows = torch.randint(100, (60, 100), generator=generator)
        gold = Gold(tuple(shift.tolist()), resolution=1e-9)
        ours = interval(float(example.mean() - shift.mean()), gold, (example[rows].mean(1) - shift.mean()).tolist())
        assert ours is not None
        covered.append(ours[0] <= truth <= ours[1])
    assert statistics.fmean(covered) > 0.9


def test_resampling_widens_the_interval_and_more_gold_models_narrow_it() -> None:
    def width(gold: Gold, resampled: list[float] | None) -> float:
        found = interval(0.2, gold, resampled)
        assert found is not None
        return found[1] - found[0]

    assert width(GOLD, [0.1, 0.3]) > width(GOLD, None)
    assert width(Gold(GOLD.values * 3, 0.01), None) < width(GOLD, None)
    assert math.isfinite(width(GOLD, [math.nan, 0.2, 0.3]))
