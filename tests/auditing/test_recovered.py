from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe.auditing.metric import Score
from lethe.auditing.recovered import before, recovered

share = st.floats(0, 1)


def attacked(start: float, end: float) -> Score:
    return Score(end, {"before": start})


def test_the_share_is_what_came_back_beyond_what_gold_gains() -> None:
    golds = [attacked(0.1, 0.2), attacked(0.2, 0.4)]
    # Gained 0.5, of which gold gains 0.15, of the 0.7 that the original knows and the model did not show.
    found, interval = recovered(attacked(0.2, 0.7), attacked(0.9, 0.95), golds, 1e-3)
    assert found == pytest.approx(0.5)
    assert interval is not None
    # Gains of 0.1 and 0.2: s = 0.0707, t(1) = 12.7, so that 12.7 * 0.0707 * sqrt(3/2) / 0.7 is the half width.
    assert interval[1] - found == pytest.approx(1.572, abs=2e-3)


@given(start=share, end=share, top=share)
def test_gold_itself_recovers_nothing(start: float, end: float, top: float) -> None:
    found, _ = recovered(attacked(start, end), attacked(top, top), [attacked(start, end)] * 3, 1e-3)
    assert found is None or found == pytest.approx(0, abs=1e-6)


def test_nothing_can_come_back_to_the_original_itself() -> None:
    original = attacked(0.9, 0.95)
    assert recovered(original, original, [attacked(0.1, 0.2)] * 2, 1e-3) == (None, None)


def test_attacks_without_a_before_and_audits_without_gold_have_no_share() -> None:
    assert before(Score(3.0)) is None
    assert recovered(Score(3.0), Score(0.0), [Score(9.0)], 1.0) == (None, None)
    assert recovered(attacked(0.1, 0.5), attacked(0.9, 0.9), [], 1e-3) == (None, None)
    alone, interval = recovered(attacked(0.1, 0.5), attacked(0.9, 0.9), [attacked(0.1, 0.1)], 1e-3)
    assert alone == pytest.approx(0.5)
    assert interval is None
