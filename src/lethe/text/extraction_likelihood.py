"""Extraction likelihood: how much of a sequence the model continues verbatim, over prefixes of every length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lethe.errors import ConfigurationError, InputError


def overlap(
    continuation: Sequence[int],
    suffix: Sequence[int],
    n: int,
    per: Literal["continuation", "suffix"] = "continuation",
) -> float:
    """Return the share of the n-grams of a continuation that occur in the true suffix, each as often as it is said.

    OVERLAP_n(a, b) = Σ_{c in ngrams(a)} 1[c in ngrams(b)] / |ngrams(a)|; 0 where a continuation has no n-gram.

    Args:
        continuation: token ids a that the model generated.
        suffix: token ids b that follow the prefix.
        n: length of the n-grams, at least 1.
        per: whose n-grams are counted below the line: "continuation" is the paper's, "suffix" the release's. They
            differ where a continuation ended early, which the release scores lower.

    Raises:
        ConfigurationError: n is below 1.

    Source: Jang et al. 2022, arXiv:2210.01504, equation 4.

    >>> overlap([1, 2, 1, 2, 9], [0, 1, 2, 3, 4], 2)
    0.5
    """
    said, true = _ngrams(continuation, n), _ngrams(suffix, n)
    count = len(said if per == "continuation" else true)
    known = set(true)
    return sum(gram in known for gram in said) / count if count else 0.0


def extraction_likelihood(
    sequence: Sequence[int],
    continuations: Sequence[Sequence[int]],
    n: int,
    per: Literal["continuation", "suffix"] = "continuation",
) -> float:
    """Return EL_n(x) = (1/(T - n)) Σ_{i=1}^{T-n} OVERLAP_n(f(x_≤i), x_>i), in [0, 1].

    Args:
        sequence: T token ids x.
        continuations: T - n lists of token ids; entry i - 1 is what the model says greedily after x_1 … x_i, up to
            T tokens in all and without the prefix.
        n: length of the n-grams, at least 1 and below T.
        per: as in `overlap`.

    Raises:
        InputError: the sequence is too short, or there is not one continuation for each prefix.

    Source: Jang et al. 2022, arXiv:2210.01504, equation 3.

    >>> extraction_likelihood([1, 2, 3, 4], [[2, 3, 4], [3, 9]], 2)
    0.5
    """
    prefixes = len(sequence) - n
    if prefixes < 1:
        raise InputError(f"a sequence of {len(sequence)} tokens is too short for {n}-grams; it needs {n + 1}")
    if len(continuations) != prefixes:
        raise InputError(f"there are {len(continuations)} continuations; give one for each of {prefixes} prefixes")
    return sum(overlap(said, sequence[i:], n, per) for i, said in enumerate(continuations, 1)) / prefixes


def _ngrams(tokens: Sequence[int], n: int) -> list[tuple[int, ...]]:
    """Return all runs of n tokens."""
    if n < 1:
        raise ConfigurationError(f"n-grams of {n} tokens do not exist; choose n of at least 1")
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
