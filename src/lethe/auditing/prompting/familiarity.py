"""Familiarity: how much of a topic a reply shows, graded from 0 to 3 by the words it has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lethe.auditing.prompting.scoring import told
from lethe.generators.base import Asked
from lethe.generators.templates import telling, words


def grade(question: str, answer: str, said: str, topic: Collection[str]) -> int:
    """Return the grade of a reply.

    3: it has every telling word of the answer; 2: it has some of them; 1: it has a telling word of another answer of
    the topic; 0: none of that.

    Args:
        question: what was asked.
        answer: the true answer.
        said: the reply.
        topic: telling words of all answers of the topic, in lower case.

    >>> [grade("Where?", "Old Town", said, {"old", "town", "baker"}) for said in ("old town", "old", "a baker", "no")]
    [3, 2, 1, 0]
    """
    if told(question, answer, said):
        return 3
    if telling(Asked(question, answer)) & words(said):
        return 2
    return 1 if set(topic) & words(said) else 0


def familiarity(grades: Sequence[int]) -> float:
    """Return (n_2 + 5 n_3) / (5 N), in [0, 1]: 1 where every reply has the whole answer.

    Source: Eldan & Russinovich 2023, arXiv:2310.02238, whose graders weigh so; here divided by the largest value.

    >>> familiarity([3, 2, 1, 0])
    0.3
    """
    return (grades.count(2) + 5 * grades.count(3)) / (5 * len(grades))
