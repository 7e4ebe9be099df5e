"""Short answers: exact match and F1 of words, against the best of several references."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.errors import InputError

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_MARKS = str.maketrans("", "", string.punctuation)


def exact_match(references: Sequence[Sequence[str]], generated: Sequence[str]) -> Tensor:
    """Return whether each text is one of its references, [N] of 0 and 1: case, marks and articles do not count.

    Raises:
        InputError: there is not one list of references a text, or one is empty.

    Source: Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1.

    >>> exact_match([["The Nile"], ["42", "forty-two"]], ["nile.", "Forty-Two!"]).tolist()
    [1.0, 1.0]
    """
    _require(references, generated)
    return _each(references, generated, lambda true, said: float(true == said))


def word_f1(references: Sequence[Sequence[str]], generated: Sequence[str]) -> Tensor:
    """Return the harmonic mean of precision and recall of each text's words, of its best reference, [N] in [0, 1].

    Raises:
        InputError: there is not one list of references a text, or one is empty.

    Source: Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1.

    >>> word_f1([["in London"], ["Rome"]], ["London", "Paris"]).tolist()
    [0.6666666666666666, 0.0]
    """
    _require(references, generated)
    return _each(references, generated, _f1)


def plain(text: str) -> list[str]:
    """Return the words of a text in lower case, without articles and marks."""
    return _ARTICLES.sub(" ", text.lower().translate(_MARKS)).split()


def _f1(true: list[str], said: list[str]) -> float:
    if not true or not said:
        return float(true == said)
    shared = (Counter(true) & Counter(said)).total()
    return 2 * shared / (len(true) + len(said))


def _each(references: Sequence[Sequence[str]], generated: Sequence[str], score: object) -> Tensor:
    assert callable(score)
    best = [
        max(score(plain(true), plain(said)) for true in some) for some, said in zip(references, generated, strict=True)
    ]
    return torch.tensor(best, dtype=torch.float64)


def _require(references: Sequence[Sequence[str]], generated: Sequence[str]) -> None:
    if len(references) != len(generated):
        raise InputError(f"{len(generated)} generated texts do not pair with {len(references)} references")
    for i, some in enumerate(references):
        if not some:
            raise InputError(f"text {i} has no reference; give one at least")
