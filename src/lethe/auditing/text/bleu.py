"""BLEU of single texts: how many runs of one to four words of a text stand in its reference."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.errors import InputError


def bleu(references: Sequence[str], candidates: Sequence[str]) -> Tensor:
    """Return BLEU of each pair of texts, [N] float64 in [0, 1]: n-grams to n = 4, geometric smoothing (method 3).

    Words are what stands between spaces. A precision without a match counts 1 / 2^k of one match at the k-th such n.
    Two equal texts score 1 also where they have fewer than four words, and an empty one scores 0.

    Args:
        references: N texts to be matched.
        candidates: N texts that are scored.

    Raises:
        InputError: there is not one candidate a reference.

    Source: Papineni et al. 2002; smoothing method 3 of Chen and Cherry 2014.

    >>> bleu(["a b c d e"], ["a b c d e"]).tolist()
    [1.0]
    """
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    if len(references) != len(candidates):
        raise InputError(f"{len(candidates)} texts do not pair with {len(references)} references")
    smooth = SmoothingFunction().method3
    scores = []
    for reference, candidate in zip(references, candidates, strict=True):
        given, said = reference.split(), candidate.split()
        if given == said and said:
            # A text of fewer than four words has no 4-gram, whose precision would be smoothed below 1.
            scores.append(1.0)
        else:
            scores.append(float(sentence_bleu([given], said, smoothing_function=smooth)) if said and given else 0.0)
    return torch.tensor(scores, dtype=torch.float64)
