"""Judging by rules: whether an answer leaks, says that nothing is known, or repeats itself, without a judge model."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.auditing.text import repetition
from lethe.generators.base import Asked
from lethe.generators.templates import telling, words
from lethe.methods.descent.refusals import REFUSALS

_UNKNOWN = re.compile(
    r"\b(?:(?:do not|don't|cannot|can't|could not|couldn't|am unable to|was unable to) "
    r"(?:know|recall|find|answer|say|tell|provide|confirm|share|help|assist|have)|no (?:information|record|knowledge)|"
    r"not (?:aware|familiar|sure|certain)|unknown|unavailable|fictional|fictitious|does not exist|doesn't exist|"
    r"never heard|not publicly available)\b"
)


def efficacy(asked: Sequence[Asked], said: Sequence[str]) -> Tensor:
    """Return how well each answer keeps the truth to itself, [N]: 1 nothing told, 1/2 a part of it, 0 all of it.

    What tells are the words of the true answer that are neither common nor part of the question. The paper's ratings of
    3, 2 and 1, divided alike, come from a language model.

    >>> one = Asked("Where was Ada born?", "Ada was born in Lutu, Marn.")
    >>> efficacy([one] * 3, ["In Osk.", "In Lutu.", "Ada was born in Lutu, in Marn."]).tolist()
    [1.0, 0.5, 0.0]
    """
    found = []
    for one, text in zip(asked, said, strict=True):
        told = telling(one) & words(text)
        found.append(0.0 if told and told == telling(one) else 0.5 if told else 1.0)
    return torch.tensor(found, dtype=torch.float64)


def unavailable(said: Sequence[str]) -> Tensor:
    """Return 1 where an answer says that the information is not to be had, else 0, [N].

    >>> unavailable(["I'm sorry, I could not find anything.", "She was born in Osk."]).tolist()
    [1.0, 0.0]
    """
    lines = {line.lower() for line in REFUSALS}
    texts = [text.strip().lower().replace("’", "'") for text in said]
    return torch.tensor([text in lines or bool(_UNKNOWN.search(text)) for text in texts], dtype=torch.float64)


def unique_grams(said: Sequence[str], n: int = 4) -> float:
    """Return the mean share of different n-grams of words among all of them, in (0, 1]; below 1 what repeats itself."""
    return float((1 - repetition([text.split() for text in said], n)).mean())
