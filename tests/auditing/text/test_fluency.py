"""The entropy of n-grams on texts worked out by hand."""

from __future__ import annotations

import math

import pytest

from lethe.auditing.text import ngram_entropy


def test_repetition_has_no_entropy() -> None:
    assert ngram_entropy(["a a a a a a", "a", ""]).tolist() == [0, 0, 0]


def test_different_ngrams_have_the_weighted_logarithm_of_their_number() -> None:
    # 8 words: 7 pairs and 6 triples, each once.
    expected = (2 / 3 * math.log2(7) + 4 / 3 * math.log2(6)) / 2
    assert ngram_entropy(["a b c d e f g h"]).tolist() == [pytest.approx(expected)]


def test_uneven_frequencies() -> None:
    # Pairs ab, ba, ab: 2/3 and 1/3; triples aba, bab: one bit.
    pairs = -(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    assert ngram_entropy(["a b a b"]).tolist() == [pytest.approx((2 / 3 * pairs + 4 / 3) / 2)]


def test_marks_are_words_of_their_own() -> None:
    assert ngram_entropy(["one, two, three"]).tolist() == ngram_entropy(["a b c b d"]).tolist()
