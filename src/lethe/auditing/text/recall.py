"""Recall of facts: whether a text names one of the accepted answers, and how much of what was lost has come back."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from lethe.errors import InputError


def names_answer(answers: Sequence[Collection[str]], said: Sequence[str]) -> Tensor:
    """Return 1 where a text names one of its accepted answers as whole words, else 0, [N] float64.

    Case, accents and punctuation do not count: a strict stand-in for judges that also accept near-synonyms.

    Args:
        answers: the accepted answers of N questions.
        said: N texts.

    Raises:
        InputError: there is not one text a question.

    >>> names_answer([["male"], ["Hat Yai", "Bangkok"]], ["female", "She lives in Hat-Yai."]).tolist()
    [0.0, 1.0]
    """
    if len(answers) != len(said):
        raise InputError(f"{len(said)} texts do not pair with {len(answers)} questions")
    found = []
    for accepted, text in zip(answers, said, strict=True):
        words = f" {_plain(text)} "
        found.append(any(f" {_plain(answer)} " in words for answer in accepted if _plain(answer)))
    return torch.tensor(found, dtype=torch.float64)


def recovery_ratio(value: float, corrupted: float, clean: float) -> float:
    """Return (value - corrupted) / (clean - corrupted): 0 where nothing has come back, 1 where all has.

    Args:
        value: of the model in question, as accuracy.
        corrupted: of the model that was spoilt.
        clean: of the model before that.

    Raises:
        InputError: the corruption changed nothing, so that nothing can come back.

    >>> recovery_ratio(0.5, 0.25, 0.75)
    0.5
    """
    if clean == corrupted:
        raise InputError("the corrupted model is as good as the clean one, so that nothing can come back; corrupt more")
    return (value - corrupted) / (clean - corrupted)


def _plain(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())
