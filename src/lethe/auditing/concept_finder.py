"""The finder of concept vectors: value vectors whose loudest tokens name one concept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from lethe.auditing.concept_vectors import CHUNK
from lethe.errors import ConfigurationError
from lethe.tasks import CausalLM
from lethe.tasks.value_vectors import TOP, most_said, read_out, value_matrices

Rater = Callable[[Sequence[str]], float]
"""Says how clearly tokens, the loudest first, name one concept: 0 not at all, 1 without doubt."""


@dataclass(frozen=True)
class Found:
    """A value vector that may carry a concept.

    Attributes:
        layer: number of the block, from 0.
        unit: index of the vector in its MLP.
        rating: what the rater said of its tokens.
        signal: mean logit of its loudest tokens.
        tokens: these tokens, the loudest first.
    """

    layer: int
    unit: int
    rating: float
    signal: float
    tokens: tuple[str, ...]


def find_concept_vectors(
    model: nn.Module, task: CausalLM, rate: Rater, top: int = TOP, rated: int = 1000, least: float = 0.0
) -> list[Found]:
    """Return the value vectors whose tokens name a concept, the best rating first, among equals the strongest.

    All vectors are ranked by the mean logit of their loudest tokens; the strongest are rated.

    Args:
        model: a causal language model.
        task: how it is read.
        rate: the judge: `words_of(...)`, a language model that is asked, or a person.
        top: tokens a vector is read by; at most a tenth of the vocabulary.
        rated: vectors with the strongest signal that the judge sees.
        least: smallest rating that is kept; the benchmark's judge kept about 0.85 and above.

    Raises:
        ConfigurationError: nothing is to be rated.

    Source: Hong et al. 2024, arXiv:2406.11614, section 3; the threshold is not published in figures.
    """
    if rated < 1:
        raise ConfigurationError(f"rated must be at least 1, not {rated}")
    signals, places, said = [], [], []
    for matrix in value_matrices(task, model):
        for first, vectors in zip(range(0, len(matrix.vectors), CHUNK), matrix.vectors.split(CHUNK), strict=True):
            logits = read_out(task, model, vectors)
            tokens = most_said(logits, top)
            signals.append(logits.gather(1, tokens).mean(1).cpu())
            said.append(tokens.cpu())
            places += [(matrix.layer, first + i) for i in range(len(vectors))]
    signal, tokens = torch.cat(signals), torch.cat(said)
    found = []
    for i in signal.argsort(descending=True, stable=True)[:rated].tolist():
        words = tuple(task.tokenizer.decode([token]) for token in tokens[i].tolist())
        layer, unit = places[i]
        found.append(Found(layer, unit, rate(words), float(signal[i]), words))
    return sorted((one for one in found if one.rating >= least), key=lambda one: (-one.rating, -one.signal))


def words_of(concept: Collection[str]) -> Rater:
    """Return the rater that knows the concept's words: the share of them that stand among a vector's tokens.

    Case and spaces around a token do not count.

    >>> words_of(["Ron", "wand"])([" ron", "car"])
    0.5
    """
    wanted = {word.strip().lower() for word in concept}

    def rate(tokens: Sequence[str]) -> float:
        return len(wanted & {token.strip().lower() for token in tokens}) / max(len(wanted), 1)

    return rate
