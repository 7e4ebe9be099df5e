"""Fluency: how varied a text's pairs and triples of words are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor


def ngram_entropy(texts: Sequence[str]) -> Tensor:
    """Return ½ [(2/3) H_2 + (4/3) H_3] of each text, [N] bits; H_n is the entropy of its n-grams' frequencies.

    Words and marks are those of the Penn Treebank. A text without n-grams has the entropy 0. A broken model that says
    the same again and again scores near 0, one that says random words higher than good text: read it beside others.

    Source: Zhang et al. 2018, arXiv:1809.05972 (entropy); Meng et al. 2022, arXiv:2202.05262, appendix G.2 (weights).

    >>> [round(value, 4) for value in ngram_entropy(["a a a a", "a b c d", ""]).tolist()]
    [0.0, 1.195, 0.0]
    """
    from nltk.tokenize import NLTKWordTokenizer

    tokenizer = NLTKWordTokenizer()
    found = []
    for text in texts:
        words = tokenizer.tokenize(text)
        found.append((2 / 3 * _entropy(words, 2) + 4 / 3 * _entropy(words, 3)) / 2)
    return torch.tensor(found, dtype=torch.float64)


def _entropy(words: Sequence[str], n: int) -> float:
    counts = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    total = counts.total()
    return 0.0 - sum(count / total * math.log2(count / total) for count in counts.values())
