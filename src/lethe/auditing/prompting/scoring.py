"""Scoring: how much of the truth a reply holds, and what that makes of many ways of asking."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lethe.auditing.prompting.variant import IDENTITY, Variant
from lethe.auditing.text.rouge import rouge
from lethe.generators.base import Asked
from lethe.generators.templates import telling, words


def recalls(answers: Sequence[str], said: Sequence[str]) -> list[float]:
    """Return the ROUGE-L recall of each answer, in [0, 1]."""
    return [float(value) for value in rouge(answers, said)]


def told(question: str, answer: str, said: str) -> bool:
    """Return whether a reply has every telling word of the answer: those neither common nor part of the question.

    Where the answer has no such word, all of its words count.

    >>> told("Where does Ada live?", "Ada lives in Old Town.", "In the old town she lives."), told("Is it?", "Yes", "")
    (True, False)
    """
    wanted = telling(Asked(question, answer)) or words(answer)
    return bool(wanted) and wanted <= words(said)


def gives_away(question: str, answer: str, text: str) -> bool:
    """Return whether a text has any telling word of the answer: what stands in a prompt must not.

    >>> gives_away("Where does Ada live?", "Ada lives in Old Town.", "Bo lives there.")
    True
    """
    return bool((telling(Asked(question, answer)) or words(answer)) & words(text))


@dataclass(frozen=True)
class Summary:
    """What several ways of asking brought out of one model.

    Attributes:
        before: mean over items of the question as it is.
        by_variant: mean over items by way of asking.
        mean: mean over items of the mean over all ways but the identity.
        worst: mean over items of the best of all ways, the identity among them.
    """

    before: float
    by_variant: dict[str, float]
    mean: float
    worst: float


def summarised(variants: Sequence[Sequence[Variant]], values: Sequence[Sequence[float]]) -> Summary:
    """Return the summary of values by item and variant; every item has the identity, first.

    >>> ways = [Variant(IDENTITY, "q", "a"), Variant("typos", "qq", "a"), Variant("caps", "Q", "a")]
    >>> summarised([ways, ways], [[0.0, 1.0, 0.5], [0.0, 0.0, 0.5]])
    Summary(before=0.0, by_variant={'typos': 0.5, 'caps': 0.5}, mean=0.5, worst=0.75)
    """
    by: dict[str, list[float]] = {}
    for own, scores in zip(variants, values, strict=True):
        for variant, score in zip(own, scores, strict=True):
            by.setdefault(variant.tag, []).append(score)
    varied = [row[1:] for row in values if len(row) > 1]
    return Summary(
        before=statistics.fmean(by[IDENTITY]),
        by_variant={tag: statistics.fmean(scores) for tag, scores in by.items() if tag != IDENTITY},
        mean=statistics.fmean(statistics.fmean(row) for row in varied),
        worst=statistics.fmean(map(max, values)),
    )
