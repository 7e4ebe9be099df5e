from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe.auditing.text import repetition
from lethe.errors import ConfigurationError


def test_a_loop_repeats_nearly_all_and_prose_nothing():
    assert repetition(
        [["the"] * 8, ["she", "was", "born", "in", "a", "small", "town", "by", "the", "sea"]]
    ).tolist() == [1 - 1 / 5, 0]


def test_tokens_count_like_words():
    assert repetition([[1, 2, 1, 2, 1]], n=2).tolist() == [0.5]


def test_a_text_shorter_than_the_n_grams_repeats_nothing():
    assert repetition([["no"] * 3, []]).tolist() == [0, 0]


@given(st.lists(st.integers(0, 3), min_size=4, max_size=30))
def test_saying_all_twice_repeats_more(text):
    once, twice = repetition([text, text + text]).tolist()
    assert twice > once


def test_n_grams_of_nothing_are_refused():
    with pytest.raises(ConfigurationError, match="n-grams of 0"):
        repetition([["a"]], 0)
