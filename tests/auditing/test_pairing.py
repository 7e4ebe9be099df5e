"""Intervals from paired examples: formulas by hand, and what they are for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lethe.auditing.attacks.quantize import Quantize
from lethe.auditing.metric import Score
from lethe.auditing.pairing import each_of, gap_error, of_each, share_error
from lethe.auditing.recovered import recovered
from lethe.auditing.scoring import Scores, entry

NORMAL_95 = 1.959964
T_3 = 3.182446  # Student's t, 3 degrees of freedom, 97.5 %


def attacked(before: list[float], after: list[float]) -> Score:
    return Score(float(np.mean(after)), {"before": float(np.mean(before)), **of_each(before, after)})


OWN = attacked([0.1, 0.2, 0.1, 0.0], [0.6, 0.9, 0.5, 0.8])
GOLDS = [attacked([0.1, 0.1, 0.1, 0.1], [0.1, 0.3, 0.2, 0.2]), attacked([0.1, 0.1, 0.1, 0.1], [0.3, 0.3, 0.0, 0.2])]
ORIGINAL = attacked([0.9, 1.0, 0.9, 0.8], [0.9, 1.0, 0.9, 0.8])


def test_the_error_of_the_gap_is_that_of_differences_on_the_same_example() -> None:
    # Differences 0.4, 0.6, 0.4, 0.6: s = 0.11547, and over sqrt(4) 0.057735.
    found = gap_error(OWN, GOLDS)
    assert found == pytest.approx(0.057735 * T_3 / NORMAL_95, rel=1e-4)


def test_the_error_of_the_share_is_that_of_its_residuals() -> None:
    share, interval = recovered(OWN, ORIGINAL, GOLDS, 1e-3)
    # Gains 0.5, 0.7, 0.4, 0.8, of gold 0.1, 0.2, 0.0, 0.1; leads 0.8, 0.8, 0.8, 0.8.
    assert share == pytest.approx((0.6 - 0.1) / 0.8)
    assert interval is not None
    # Residuals d - r e: 0.4, 0.5, 0.4, 0.7 less 0.5, s = 0.141421; gains of gold 0.1 and 0.1, whose reach is that of
    # the resolution 1e-3 with t(1) = 12.706.
    reach = 12.7062 * 1e-3 * math.sqrt(1.5)
    assert interval[1] - share == pytest.approx(math.hypot(reach, T_3 * 0.141421 / 2) / 0.8, rel=1e-4)


def test_many_examples_make_a_strong_gap_sure_that_two_means_leave_open() -> None:
    """Twelve examples that differ much from each other, and alike under every model."""
    rng = np.random.default_rng(0)
    hard = rng.uniform(0, 0.5, 12)
    golds = tuple(attacked(list(hard), list(hard + rng.normal(0, 0.01, 12))) for _ in range(3))
    own, original = attacked(list(hard), list(hard + 0.2)), attacked(list(hard + 0.5), list(hard + 0.5))
    found = entry("attack", Quantize(), own, Scores(original, golds), 1e-3, examples=12)
    assert found.finding == "between"
    assert found.recovered_interval is not None
    assert found.recovered_interval[0] > 0.3
    unpaired = [Score(one.value, {"before": one.details["before"]}) for one in (own, original, *golds)]
    blind = entry("attack", Quantize(), unpaired[0], Scores(unpaired[1], tuple(unpaired[2:])), 1e-3, examples=12)
    assert blind.finding != "between"


@pytest.mark.parametrize("other", [Score(0.5), attacked([0.1, 0.2], [0.1, 0.2])], ids=["silent", "other examples"])
def test_without_partners_there_is_no_paired_error(other: Score) -> None:
    assert gap_error(OWN, [*GOLDS, other]) is None
    assert share_error(OWN, other, GOLDS, 0.5) is None
    assert gap_error(OWN, []) is None


def test_one_example_tells_no_spread() -> None:
    assert each_of(Score(0.1, of_each([0.1], [0.2]))) is None
