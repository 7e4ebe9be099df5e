"""Union recall: ROUGE-L recall of texts of several sentences, with words as they are written."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lethe.errors import InputError

Words = tuple[str, ...]


def union_recall(references: Sequence[str], generated: Sequence[str]) -> Tensor:
    """Return |∪ LCS(reference sentence, generated sentence)| / |words of the reference| of each pair of texts, [N].

    Both counts are of different words. Sentences end at full stops, words at blanks; capitals count, and other marks
    stay at their words: "1947," is not "1947". These are the rules of the package `rouge`, in which RWKU's numbers are
    written; `rouge` has those of other benchmarks.

    Args:
        references: N true texts.
        generated: N texts of the model.

    Raises:
        InputError: there is not one generated text a reference, or a reference has no word.

    Source: Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries, section 3.2.

    >>> union_recall(["Richard Bachman"] * 3, ["It is Richard.", "richard bachman", "Bachman. By Richard."]).tolist()
    [0.5, 0.0, 1.0]
    """
    if len(references) != len(generated):
        raise InputError(f"{len(generated)} generated texts do not pair with {len(references)} references")
    return torch.tensor([_recall(*pair) for pair in zip(references, generated, strict=True)], dtype=torch.float64)


def _recall(reference: str, generated: str) -> float:
    true, said = _sentences(reference), _sentences(generated)
    words = {word for sentence in true for word in sentence}
    if not words:
        raise InputError(f"the reference '{reference}' has no word; leave it out")
    found: set[str] = set()
    for one in true:
        for other in said:
            found |= _common(one, other)
    return len(found) / len(words)


def _sentences(text: str) -> list[Words]:
    return [tuple(part.split()) for part in text.split(".") if part.strip()]


def _common(one: Words, other: Words) -> set[str]:
    """Return the words of a longest common subsequence."""
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, word in enumerate(one):
        for j, second in enumerate(other):
            longest = max(lengths[i][j + 1], lengths[i + 1][j])
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if word == second else longest
    found, i, j = set(), len(one), len(other)
    while i and j:
        if one[i - 1] == other[j - 1]:
            found.add(one[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found
