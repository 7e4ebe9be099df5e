"""Words: attributions of tokens added up to those of words, ranked, and masked in a text."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Mapping, Sequence

from lethe.generators.templates import COMMON

LEAST_LETTERS = 4
_AROUND = string.punctuation + " “”‘’"


def plain(word: str) -> str:
    """Return a word in lower case, without what stands around it and a genitive s.

    >>> plain(" Osk's."), plain(" ,")
    ('osk', '')
    """
    return re.sub(r"['’]s$", "", word.lower().strip(_AROUND)).strip(_AROUND)


def word_scores(pieces: Sequence[str], scores: Sequence[float]) -> dict[str, float]:
    """Return the share of all that is positive that each word of one answer has.

    Args:
        pieces: the text of each token; one that begins with a space begins a word.
        scores: its attribution.

    >>> word_scores([" Lu", "tu", " is", "."], [1.0, 2.0, 2.0, -1.0])
    {'lutu': 0.75, 'is': 0.25}
    """
    merged: list[tuple[str, float]] = []
    for piece, score in zip(pieces, scores, strict=True):
        if merged and not piece.startswith((" ", "\n")):
            merged[-1] = merged[-1][0] + piece, merged[-1][1] + score
        else:
            merged.append((piece, score))
    total = sum(score for _, score in merged if score > 0)
    found: dict[str, float] = {}
    for word, score in merged:
        if total > 0 and plain(word):
            found[plain(word)] = found.get(plain(word), 0.0) + max(score, 0.0) / total
    return found


def ranked(answers: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the words of several answers by the sum of their shares, without those that say nothing.

    >>> ranked([{"osk": 0.4, "in": 0.6}, {"osk": 0.3, "ada": 0.5}])
    ['osk', 'ada']
    """
    total: dict[str, float] = {}
    for answer in answers:
        for word, share in answer.items():
            if word not in COMMON:
                total[word] = total.get(word, 0.0) + share
    return sorted(total, key=lambda word: (-total[word], word))


def present(text: str, words: Collection[str]) -> list[str]:
    """Return those of the words that the text has as whole words, whatever their capitals."""
    return [word for word in words if _pattern(word).search(text)]


def masked(text: str, words: Collection[str], mask: str = "***") -> str:
    """Return the text with each of the words replaced, the longest first.

    >>> masked("Ada lives in Osk, not Oskar.", ["osk", "ada"])
    '*** lives in ***, not Oskar.'
    """
    for word in sorted(set(words), key=lambda word: (-len(word), word)):
        text = _pattern(word).sub(lambda _: mask, text)
    return text


def name_words(name: str) -> list[str]:
    """Return the parts of a name of four letters or more.

    >>> name_words("Lia van Osken")
    ['osken']
    """
    return [word for word in (plain(part) for part in name.split()) if len(word) >= LEAST_LETTERS]


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
