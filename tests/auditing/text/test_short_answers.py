"""Exact match and F1 of short answers on texts worked out by hand."""

from __future__ import annotations

import pytest

from lethe.auditing.text import exact_match, word_f1
from lethe.errors import InputError


def test_articles_case_and_marks_do_not_count() -> None:
    assert exact_match([["The Beatles"], ["42"]], ["beatles!", "43"]).tolist() == [1.0, 0.0]


def test_the_best_reference_counts() -> None:
    assert word_f1([["Rome", "the city of Rome"]], ["city of Rome"]).tolist() == [1.0]


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    # 2 of 4 words are said of 2 true ones: precision 1/2, recall 1.
    assert word_f1([["red fox"]], ["one red fox here"]).tolist() == [pytest.approx(2 / 3)]


def test_words_count_as_often_as_they_stand() -> None:
    # "no no" against "no": one shared word of two said and one true.
    assert word_f1([["no"]], ["no no"]).tolist() == [pytest.approx(2 / 3)]


def test_two_empty_answers_agree_and_one_does_not() -> None:
    assert word_f1([["the"], ["the"]], ["a", "Rome"]).tolist() == [1.0, 0.0]


def test_a_text_without_reference_is_refused() -> None:
    with pytest.raises(InputError, match="text 0 has no reference"):
        word_f1([[]], ["a"])
    with pytest.raises(InputError, match="1 generated texts do not pair with 2"):
        exact_match([["a"], ["b"]], ["a"])
