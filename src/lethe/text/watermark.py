"""Watermarks: a key shifts which tokens a text chooses, and whoever knows the key can read it from the text again."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lethe.errors import ConfigurationError, InputError


@dataclass(frozen=True)
class Reading:
    """What was read of one text under one key.

    Attributes:
        score: q, its watermark's strength: 0 on average without this key's watermark; 0 where nothing was counted.
        counted: T, the tokens that it is the mean of.
    """

    score: float
    counted: int


class Watermark(ABC):
    """Embeds a key in the choice of tokens and reads it. Subclasses are frozen dataclasses."""

    @abstractmethod
    def embed(self, logits: Tensor, context: Sequence[int], key: int) -> Tensor:
        """Return the logits of the next token, [V], with the watermark; `context` is what the text has so far."""

    @abstractmethod
    def read(self, texts: Sequence[Sequence[int]], key: int) -> list[Reading]:
        """Return what is read of each text, in tokens, under the key."""


@dataclass(frozen=True)
class Waterfall(Watermark):
    """Waterfall: logits get a wave over a permutation of the vocabulary that key and preceding tokens choose.

    L'[v] = L[v] + φ[π[v]], where π permutes 0 … N-1 and is seeded by (key, the n-1 preceding tokens), and
    φ[i] = κ cos(2π k i / N), or κ sin(2π (k - m) i / N) for k > m = ⌈N/2⌉ - 1. Read is q = mean_t φ[π_t[w_t]] / κ, 1 at
    most, and with a standard deviation of √(1/(2T)) around 0 without the watermark. Texts are read until their first
    token outside the N; after a preceding token outside, π is the identity. The permutations are numpy's own
    (`RandomState`), bit for bit those of the published texts.

    Args:
        vocabulary: N, tokens of the watermark's tokenizer without those added to it.
        strength: κ; 2 for the published texts.
        frequency: k, from 1 to 2m.
        ngram: n, so that n-1 preceding tokens choose the permutation; the first n-1 tokens carry nothing.

    Source: Lau et al. 2024, Waterfall, arXiv:2407.04411; as used by Lu et al. 2025, arXiv:2505.05064.

    >>> mark = Waterfall(vocabulary=8, strength=2.0)
    >>> shifted = mark.embed(torch.zeros(10), [5], key=3)
    >>> likeliest = int(shifted.argmax())
    >>> [round(one.score, 6) for one in mark.read([[5, likeliest], [5, 9]], key=3)], shifted[8:].tolist()
    ([1.0, 0.0], [0.0, 0.0])
    """

    vocabulary: int
    strength: float = 2.0
    frequency: int = 1
    ngram: int = 2

    def __post_init__(self) -> None:
        if self.vocabulary < 4 or self.ngram < 2 or self.strength < 0:
            raise ConfigurationError(
                "a watermark needs a vocabulary of at least 4 tokens, an ngram of at least 2 and a strength that is "
                f"not negative, not {self.vocabulary}, {self.ngram} and {self.strength}"
            )
        if not 1 <= self.frequency <= 2 * self._waves:
            raise ConfigurationError(f"frequency must be from 1 to {2 * self._waves}, not {self.frequency}")

    @property
    def _waves(self) -> int:
        return math.ceil(self.vocabulary / 2) - 1

    @cached_property
    def wave(self) -> np.ndarray:
        """φ / κ, [N] float64."""
        place = 2 * math.pi * np.arange(self.vocabulary) / self.vocabulary
        if self.frequency <= self._waves:
            return np.cos(self.frequency * place)
        return np.sin((self.frequency - self._waves) * place)

    def permutation(self, context: Sequence[int], key: int) -> np.ndarray:
        """Return π, [N]: where each token stands after the n-1 preceding ones."""
        if any(token >= self.vocabulary for token in context):
            return np.arange(self.vocabulary)
        return np.random.RandomState((key, *context)).permutation(self.vocabulary)

    def embed(self, logits: Tensor, context: Sequence[int], key: int) -> Tensor:
        """Return the logits of the next token, [V ≥ N], shifted; as they are where too few tokens precede.

        Temperature, top-k and top-p belong before this.
        """
        before = context[len(context) - self.ngram + 1 :]
        if len(context) < self.ngram - 1 or not self.strength:
            return logits
        if logits.shape[-1] < self.vocabulary:
            raise InputError(
                f"there are logits of {logits.shape[-1]} tokens, and the watermark is one of {self.vocabulary}; "
                "embed it with a model of its tokenizer"
            )
        shift = self.strength * self.wave[self.permutation(before, key)]
        shifted = logits.clone()
        shifted[: self.vocabulary] += torch.from_numpy(shift).to(logits)
        return shifted

    def read(self, texts: Sequence[Sequence[int]], key: int) -> list[Reading]:
        """Return score and counted tokens of each text; every permutation is made once for all of them."""
        places: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for i, text in enumerate(texts):
            for at in range(self.ngram - 1, len(text)):
                if text[at] >= self.vocabulary:
                    break
                places.setdefault(tuple(text[at - self.ngram + 1 : at]), []).append((i, text[at]))
        sums, counts = np.zeros(len(texts)), np.zeros(len(texts), dtype=int)
        for before, chosen in places.items():
            order = self.permutation(before, key)
            for i, token in chosen:
                sums[i] += self.wave[order[token]]
                counts[i] += 1
        return [Reading(float(q / max(n, 1)), int(n)) for q, n in zip(sums, counts, strict=True)]


def processor(watermark: Watermark, key: int, prompt_tokens: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a logits processor for `model.generate(logits_processor=[...])` of transformers.

    Args:
        watermark: what to embed.
        key: the owner's.
        prompt_tokens: length of the prompts, padding included: what precedes the text is no part of it.
    """

    def process(input_ids: Tensor, scores: Tensor) -> Tensor:
        said = input_ids[:, prompt_tokens:].tolist()
        return torch.stack([watermark.embed(row, text, key) for row, text in zip(scores, said, strict=True)])

    return process


def best_paraphrase(similarity: Sequence[float], readings: Sequence[Reading]) -> int:
    """Return which of several watermarked paraphrases to keep: the largest 2 · similarity + q.

    Args:
        similarity: of each to the original text, in [0, 1], as a sentence encoder has it.
        readings: of each under the owner's key.

    >>> best_paraphrase([0.9, 0.8], [Reading(0.1, 50), Reading(0.4, 50)])
    1
    """
    if not similarity or len(similarity) != len(readings):
        raise InputError("give one similarity and one reading for each of at least one paraphrase")
    return max(range(len(similarity)), key=lambda i: 2 * similarity[i] + readings[i].score)
