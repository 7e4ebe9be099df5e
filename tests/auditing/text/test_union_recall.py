"""RWKU's ROUGE-L recall on texts worked out by hand."""

from __future__ import annotations

import pytest
import torch

from lethe.auditing.text import union_recall
from lethe.errors import InputError


def test_capitals_and_marks_count() -> None:
    found = union_recall(["Misery", "in 1947", "Portland, Maine"], ["misery", "in 1947, or so", "Portland, Maine"])
    assert found.tolist() == [0.0, 0.5, 1.0]


def test_order_counts_within_a_sentence_and_sentences_are_united() -> None:
    # "b a" shares one word in order with "a b"; two sentences give both.
    assert union_recall(["a b"] * 2, ["b a", "b. a"]).tolist() == [0.5, 1.0]


def test_words_count_once_however_often_they_stand() -> None:
    assert union_recall(["a a b"], ["a"]).tolist() == [0.5]


def test_nothing_said_scores_nothing() -> None:
    assert union_recall(["Rome"], [""]).tolist() == [0.0]


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(InputError, match="2 generated texts do not pair with 1"):
        union_recall(["a"], ["a", "b"])
    with pytest.raises(InputError, match="has no word"):
        union_recall([" . "], ["a"])


def test_the_recall_is_a_share() -> None:
    words = ["a", "b", "c", "d"]
    generator = torch.Generator().manual_seed(0)
    texts = [" ".join(words[i] for i in torch.randint(4, (5,), generator=generator).tolist()) for _ in range(40)]
    found = union_recall(texts[:20], texts[20:])
    assert bool(((found >= 0) & (found <= 1)).all())
    assert union_recall(texts, texts).tolist() == [1.0] * 40
