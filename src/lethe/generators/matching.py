"""Does an answer still give the truth away? A loose comparison of words, for detection."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping
from difflib import SequenceMatcher

from lethe.generators.templates import COMMON

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
ALIKE = 80.0  # a ratio of 80 itself is not alike: smith and smyth
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def plain_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation.

    >>> plain_words("At 12 Elm Road, Lutu.")
    ['at', '12', 'elm', 'road', 'lutu']
    """
    return text.lower().translate(_NO_PUNCTUATION).split()


def similarity(one: str, other: str) -> float:
    """Return how alike two words are, 0 to 100: twice the number of letters they share in order, over all letters.

    >>> similarity("smith", "smyth"), round(similarity("rose", "prose"), 1)
    (80.0, 88.9)
    """
    return 100.0 * SequenceMatcher(None, one, other, autojunk=False).ratio()


def matches(truth: Collection[str], said: str, synonyms: Mapping[str, Collection[str]], leave_out_common: bool) -> bool:
    """Return whether a word of the truth is found in what was said, itself, as a number, a synonym, or nearly.

    Args:
        truth: words that would give the truth away, in lower case.
        said: a text.
        synonyms: word of the truth to words that mean it as well.
        leave_out_common: whether words such as `the` count for nothing; published code lets them count.

    Source: Sinha et al. 2025 (UnStar), whose code also asks WordNet and sentence embeddings, which need data that has
    to be fetched: give what they would find as synonyms.
    """
    ignored = COMMON if leave_out_common else frozenset()
    wanted = [word for word in truth if word not in ignored]
    return any(
        _same(word, other, synonyms.get(word, ()))
        for other in plain_words(said)
        if other not in ignored
        for word in wanted
    )


def _same(word: str, other: str, synonyms: Collection[str]) -> bool:
    return _number(word) == _number(other) or other in synonyms or similarity(word, other) > ALIKE


def _number(word: str) -> str:
    """Return the digits of a number that is written as a word."""
    return str(NUMBERS.index(word)) if word in NUMBERS else word
