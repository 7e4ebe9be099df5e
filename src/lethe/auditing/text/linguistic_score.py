"""Linguistic score: whether answers are still language, from perplexity and the variety of their words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.errors import InputError

SILENT = 1000.0  # Brunet's index of a text without words: as poor as can be
MOST = 1e6
_WORDS = re.compile(r"\w+")


def brunet(texts: Sequence[str]) -> Tensor:
    """Return Brunet's index N^(V^-0.165) of each text, [N]: N words, V different ones; smaller is richer.

    Source: Brunet 1978; as used by Xu et al. 2025, arXiv:2502.11190, whose N^(1/V^0.165) is the same number.

    >>> [round(value, 3) for value in brunet(["a b c d e f g h i j", "", "no no no"]).tolist()]
    [4.83, 1000.0, 3.0]
    """
    return _each(texts, lambda words: len(words) ** (len(set(words)) ** -0.165) if words else SILENT)


def honore(texts: Sequence[str]) -> Tensor:
    """Return Honoré's statistic 100 log N / (1 - V_1/V + 0.1) of each text, [N]; larger is richer.

    V_1 words stand once. The 0.1 is the release's, for texts in which all do; a text of at most one word has 0.

    Source: Honoré 1979; Xu et al. 2025, arXiv:2502.11190.

    >>> [round(value, 1) for value in honore(["a b c d e f g h i j", "", "no no no"]).tolist()]
    [2302.6, 0.0, 99.9]
    """
    return _each(texts, _honore)


def linguistic_score(texts: Sequence[str], perplexities: Tensor) -> float:
    """Return the harmonic mean of σ(-log PPL), σ(-log Brunet) and σ(log Honoré), in [0, 1].

    The three are averaged over the answers before σ is taken. A repeated word has a low perplexity: broken answers are
    told by the varieties, not by that.

    Args:
        texts: N answers.
        perplexities: [N] of each answer after its question, under a reference model; those not finite are left out.

    Raises:
        InputError: there is not one perplexity a text, or none is finite.

    Source: Xu et al. 2025, arXiv:2502.11190, section 3.2.

    >>> round(linguistic_score(["a b c d e f g h i j"], torch.tensor([5.0])), 4)
    0.2338
    >>> round(linguistic_score(["no " * 10], torch.tensor([5.0])), 4)
    0.1666
    """
    if len(texts) != len(perplexities):
        raise InputError(f"{len(perplexities)} perplexities do not pair with {len(texts)} texts")
    known = perplexities[torch.isfinite(perplexities)].double()
    if not len(known):
        raise InputError("no perplexity is finite; the reference model gives none of the answers any probability")
    fluent, rich, varied = float(known.mean()), float(brunet(texts).mean()), float(honore(texts).mean())
    # σ(log x) = x / (1 + x), which is also defined at 0.
    parts = (1 / (1 + fluent), 1 / (1 + rich), varied / (1 + varied))
    return 3 / sum(1 / part for part in parts) if min(parts) > 0 else 0.0


def _honore(words: Sequence[str]) -> float:
    counts = Counter(words)
    once = sum(count == 1 for count in counts.values())
    if len(words) <= 1:
        return 0.0
    return min(100 * math.log(len(words)) / (1 - once / len(counts) + 0.1), MOST)


def _each(texts: Sequence[str], score: object) -> Tensor:
    assert callable(score)
    return torch.tensor([score(_WORDS.findall(text.lower())) for text in texts], dtype=torch.float64)
