from __future__ import annotations

import pytest

from lethe.errors import ConfigurationError, InputError
from lethe.text import extraction_likelihood, overlap

SEQUENCE = list(range(20))


def suffixes(n: int) -> list[list[int]]:
    return [SEQUENCE[i:] for i in range(1, len(SEQUENCE) - n + 1)]


@pytest.mark.parametrize("n", [1, 4, 19])
@pytest.mark.parametrize("per", ["continuation", "suffix"])
def test_a_model_that_reproduces_the_sequence_has_one(n, per):
    assert extraction_likelihood(SEQUENCE, suffixes(n), n, per) == 1


def test_a_model_of_other_words_has_none():
    assert extraction_likelihood(SEQUENCE, [[99] * len(s) for s in suffixes(3)], 3) == 0


def test_said_n_grams_count_each_time_against_the_set_of_true_ones():
    # Said: ab, ba, ab, bc; true: ab, bc, ca. Clipped counts would give 2/4, distinct ones 2/3.
    assert overlap([1, 2, 1, 2, 3], [1, 2, 3, 1], 2) == 3 / 4


def test_the_release_scores_what_ended_early_lower():
    assert overlap([1, 2, 3], [1, 2, 3, 4, 5], 2) == 1
    assert overlap([1, 2, 3], [1, 2, 3, 4, 5], 2, per="suffix") == 2 / 4


def test_a_continuation_too_short_for_an_n_gram_shares_none():
    assert overlap([1], [1, 2, 3], 2) == 0
    assert overlap([], [1, 2, 3], 1) == 0


def test_the_mean_is_over_prefixes_of_every_length():
    said = [list(range(1, 20)), *([[99] * 8] * 15)]
    assert extraction_likelihood(SEQUENCE, said, 4) == 1 / 16


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(InputError, match="too short"):
        extraction_likelihood([1, 2, 3], [], 3)
    with pytest.raises(InputError, match="one for each of 17 prefixes"):
        extraction_likelihood(SEQUENCE, suffixes(4), 3)
    with pytest.raises(ConfigurationError, match="n-grams of 0"):
        overlap([1], [1], 0)
