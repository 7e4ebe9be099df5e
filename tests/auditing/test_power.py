from __future__ import annotations

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.auditing.power import Finding, Gold, binomial_error, finding, half_width, power, reach

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
    assert half_width(alone, None) is None
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
        half = half_width(gold, (example[rows].mean(1) - shift.mean()).tolist())
        assert half is not None
        covered.append(abs(float(example.mean() - shift.mean()) - truth) <= half)
    assert statistics.fmean(covered) > 0.9


def test_resampling_widens_the_interval_and_more_gold_models_narrow_it() -> None:
    def half(gold: Gold, resampled: list[float] | None) -> float:
        found = half_width(gold, resampled)
        assert found is not None
        return found

    assert half(GOLD, [0.1, 0.3]) > half(GOLD, None)
    assert half(Gold(GOLD.values * 3, 0.01), None) < half(GOLD, None)
    assert math.isfinite(half(GOLD, [math.nan, 0.2, 0.3]))
    assert half_width(GOLD, None, error=0.1) == pytest.approx(math.hypot(half(GOLD, None), 0.196), rel=1e-3)


BOUND = 0.05


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.13, 0.01, "like gold"),
        (0.14, 0.03, "undetermined"),
        (0.18, 0.03, "undetermined"),
        (0.20, 0.03, "between"),
        (0.02, 0.02, "beyond gold"),
        (0.89, 0.03, "like the original"),
    ],
)
def test_a_gap_is_judged_by_its_size_and_interval(value: float, error: float, expected: Finding) -> None:
    # Gold agrees to 0.002, so that a test for equality would find every one of these values off gold.
    gold = Gold((0.098, 0.1, 0.102), resolution=1e-3)
    assert finding(value, 0.9, gold, BOUND, error, 0.03) == expected


def test_a_difference_within_the_bound_is_none_however_certain() -> None:
    # Common knowledge: gold and the original differ by two points, a thousand standard errors apart.
    gold = Gold((0.60001, 0.6, 0.59999), resolution=1e-5)
    judged = power(0.62, gold, BOUND, 1e-5)
    assert judged.has_power is False
    assert "no difference" in judged.reason
    assert finding(0.62, 0.62, gold, BOUND, 1e-5, 1e-5) == "no power"


def test_a_metric_has_power_only_where_the_original_would_be_found_out() -> None:
    assert power(0.3, GOLD, BOUND, 0.05).has_power is True
    unsure = power(0.3, GOLD, BOUND, 0.15)
    assert unsure.has_power is False
    assert "too few examples" in unsure.reason


@given(
    gold=st.lists(number, min_size=2, max_size=5),
    original=number,
    bound=st.floats(0.001, 5),
    error=st.floats(0, 5),
)
def test_with_power_the_original_itself_always_fails(
    gold: list[float], original: float, bound: float, error: float
) -> None:
    reference = Gold(tuple(gold), 1e-3)
    if power(original, reference, bound, error).has_power:
        assert finding(original, original, reference, bound, error, error) == "like the original"


@given(value=number, original=number, bound=st.floats(0.001, 5), error=st.floats(0, 5), less=st.floats(0, 1))
def test_a_narrower_interval_never_turns_a_failure_into_a_pass(
    value: float, original: float, bound: float, error: float, less: float
) -> None:
    wide = finding(value, original, GOLD, bound, error)
    narrow = finding(value, original, GOLD, bound, error * less)
    assert narrow == wide or wide in ("undetermined", "no power")


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.5])
def test_the_binomial_error_covers_shares_of_few_examples(share: float) -> None:
    draws = torch.rand(4_000, 40, generator=torch.Generator().manual_seed(0)) < share
    seen = draws.double().mean(1)
    inside = [abs(one - share) <= 1.96 * binomial_error(one, 40) + 2 / 44 for one in seen.tolist()]
    assert statistics.fmean(inside) > 0.94
