"""Consistency: whether a model answers the same question in the same way, however and how often it is asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

AnswerClass = Literal["correct", "refusal", "wrong", "gibberish"]

REFUSED = re.compile(
    r"\b(i|we)('m| am| are)? (do not|don't|cannot|can't|could not|couldn't|not|unable|sorry|afraid)\b"
    r"|\b(no|not any) (information|knowledge|idea)\b|\bas an ai\b|\bunknown to me\b",
    flags=re.IGNORECASE,
)
WORD = re.compile(r"\w+")
REPEATED = 0.5
"""Share of distinct words below which a reply of four words or more counts as gibberish."""


@dataclass(frozen=True)
class Consistency:
    """How one model answers.

    Args:
        value: mean over questions of the share of replies that are of the question's most frequent class, in [1/4, 1].
        mix: share of all replies in each class.
    """

    value: float
    mix: dict[AnswerClass, float]


def answer_class(said: str, truths: Sequence[str]) -> AnswerClass:
    """Return the class of a reply: gibberish, correct where it holds one of the true answers, refusal, or wrong.

    >>> answer_class("In Osk, I believe.", ["osk"]), answer_class("I do not know that.", ["osk"])
    ('correct', 'refusal')
    >>> answer_class("In Marn.", ["osk"]), answer_class("a a a a a", ["osk"])
    ('wrong', 'gibberish')
    """
    words = WORD.findall(said.lower())
    if not words or (len(words) >= 4 and len(set(words)) < REPEATED * len(words)):
        return "gibberish"
    text = f" {' '.join(words)} "
    if any(f" {' '.join(WORD.findall(truth.lower()))} " in text for truth in truths):
        return "correct"
    return "refusal" if REFUSED.search(said) else "wrong"


def consistency(replies: Sequence[Sequence[str]], truths: Sequence[Sequence[str]]) -> Consistency:
    """Return how consistent replies are; consistent is not right, so that it is read beside what is left.

    Args:
        replies: for each question the replies to all ways of asking it, sampled as often as one likes.
        truths: for each question the answers that count as true.

    Raises:
        ValueError: there is no reply, or not one list of true answers a question.

    Source: consistency of outputs as an open problem: Qu et al. 2024, The frontier of data erasure, arXiv:2403.15779.

    >>> consistency([["In Osk.", "In Osk.", "I do not know."]], [["Osk"]]).value
    0.6666666666666666
    """
    if len(replies) != len(truths) or not replies or not all(replies):
        raise ValueError("give at least one reply to each question, and the true answers of each")
    classes = [[answer_class(said, true) for said in own] for own, true in zip(replies, truths, strict=True)]
    modal = [Counter(own).most_common(1)[0][1] / len(own) for own in classes]
    total = Counter(one for own in classes for one in own)
    return Consistency(sum(modal) / len(modal), {name: count / total.total() for name, count in total.items()})
