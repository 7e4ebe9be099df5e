"""Consistency tells a model that always refuses from one that flips between answers, and says in which class it is."""

from __future__ import annotations

import random

import pytest

from lethe.text import answer_class, consistency

TRUTHS = [["Osk"], ["a tailor", "tailor"]]


def test_a_model_that_always_refuses_is_consistent_and_known_as_refusing():
    found = consistency([["I do not know."] * 6, ["I'm sorry, I can't say."] * 6], TRUTHS)
    assert found.value == 1.0
    assert found.mix == {"refusal": 1.0}


def test_answers_of_every_class_alike_have_the_lowest_value():
    found = consistency([["In Osk.", "I do not know.", "In Marn.", "x x x x x"]], TRUTHS[:1])
    assert found.value == 0.25
    assert found.mix == {"correct": 0.25, "refusal": 0.25, "wrong": 0.25, "gibberish": 0.25}


def test_random_answers_come_near_one_over_the_number_of_classes():
    draw = random.Random(0)
    kinds = ["In Osk.", "I do not know.", "In Marn.", "x x x x x"]
    found = consistency([[draw.choice(kinds) for _ in range(2_000)] for _ in range(5)], [["Osk"]] * 5)
    assert found.value == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Ada is a tailor.", "correct"),
        ("TAILOR!", "correct"),
        ("Ada is a tailoress.", "wrong"),
        ("I have no information about that.", "refusal"),
        ("We cannot share this.", "refusal"),
        ("", "gibberish"),
        ("the the the the the", "gibberish"),
        ("I do not know, perhaps a tailor", "correct"),
    ],
)
def test_classes(said, expected):
    """What gives the answer away after a refusal gives it away."""
    assert answer_class(said, ["a tailor", "tailor"]) == expected


@pytest.mark.parametrize(("replies", "truths"), [([], []), ([[]], [["x"]]), ([["a"]], [])])
def test_nothing_to_look_at_is_an_error(replies, truths):
    with pytest.raises(ValueError, match="at least one reply"):
        consistency(replies, truths)
