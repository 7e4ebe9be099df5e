"""ROUGE: how many of a reference's words come back in what the model generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from lethe.errors import ConfigurationError, InputError

KINDS = ("rouge1", "rouge2", "rougeL")


@dataclass(frozen=True, eq=False)
class Overlaps:
    """ROUGE of N pairs of texts.

    Attributes:
        recall: [N] shared words / words of the reference, in [0, 1].
        precision: [N] shared words / words of the generated text.
        f: [N] their harmonic mean.
    """

    recall: Tensor
    precision: Tensor
    f: Tensor


def rouge(
    references: Sequence[str],
    generated: Sequence[str],
    kind: str = "rougeL",
    figure: Literal["recall", "precision", "f"] = "recall",
    stem: bool = True,
) -> Tensor:
    """Return ROUGE of each pair of texts, [N] float64 in [0, 1]; 0 for an empty one.

    What is reported differs by benchmark: TOFU rougeL recall with stemming (the defaults), MUSE rougeL F without.

    Args:
        references: N true texts.
        generated: N texts of the model.
        kind: rouge1 (words), rouge2 (pairs of words) or rougeL (longest common subsequence).
        figure: recall, precision or f.
        stem: whether words are reduced to their stems (Porter), so that "writes" is "writing".

    Raises:
        InputError: there is not one generated text a reference.
        ConfigurationError: there is no such kind.

    Source: Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries.

    >>> rouge(["the cat sat down"], ["the dog sat"]).tolist(), rouge(["cats"], ["cat"], stem=False).tolist()
    ([0.5], [0.0])
    """
    overlaps = rouge_overlaps(references, generated, kind, stem)
    return {"recall": overlaps.recall, "precision": overlaps.precision, "f": overlaps.f}[figure]


def rouge_overlaps(
    references: Sequence[str], generated: Sequence[str], kind: str = "rougeL", stem: bool = True
) -> Overlaps:
    """Return all three figures of `rouge`, which cost as much as one.

    Words are runs of a-z and 0-9 in lower case: text in other scripts has none and scores 0. A pair of texts that
    comes again is scored once, and a word stemmed once.

    Raises:
        InputError: there is not one generated text a reference.
        ConfigurationError: there is no such kind.
    """
    from rouge_score.rouge_scorer import RougeScorer

    if kind not in KINDS:
        raise ConfigurationError(f"there is no ROUGE '{kind}'; choose one of {', '.join(KINDS)}")
    if len(references) != len(generated):
        raise InputError(f"{len(generated)} generated texts do not pair with {len(references)} references")
    scorer = RougeScorer([kind], tokenizer=_Words(stem))
    pairs = list(zip(references, generated, strict=True))
    scored = {pair: scorer.score(*pair)[kind] for pair in dict.fromkeys(pairs)}
    figures = torch.tensor([tuple(scored[pair]) for pair in pairs], dtype=torch.float64).reshape(-1, 3)
    precision, recall, f = figures.unbind(1)
    return Overlaps(recall, precision, f)


class _Words:
    """The tokenizer of rouge-score with a memory: texts and words come again, and stemming is slow."""

    def __init__(self, stem: bool) -> None:
        self._stemmer = _Stemmer() if stem else None
        self.tokenize = cache(self._tokenize)

    def _tokenize(self, text: str) -> list[str]:
        from rouge_score.tokenize import tokenize

        return tokenize(text, self._stemmer)


class _Stemmer:
    """The Porter stemmer of rouge-score with a memory."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self.stem = cache(PorterStemmer().stem)
