"""Texts with other names in them, aligned token by token: what a model would say if the text were about another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lethe.examples import Batch, Examples
from lethe.generators.names import replaced
from lethe.segments import length_of_rows, sum_by_row
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS

NOWHERE = -1
SHORTEST = 2  # a single equal token is as likely chance as not


@dataclass(frozen=True)
class Span:
    """Where a name stands among the tokens of a text.

    Attributes:
        start: its first token.
        end: the token after its last.
        name: the name.
    """

    start: int
    end: int
    name: str


@dataclass(frozen=True, eq=False)
class Translated:
    """The texts of a set of examples with other names, and where in them each answer token is predicted.

    Attributes:
        examples: the other texts, in the order of the originals.
        places: [N, L] for the tokens of each original answer, which of the other text's predictions belongs to it
            (counted within its own answer); -1 where none does.
    """

    examples: Examples
    places: Tensor

    def logits(self, model: nn.Module, task: CausalLM, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the model's logits on the other texts at the places of the batch's answer tokens.

        Args:
            model: what predicts.
            task: reads its logits.
            batch: rows of the original examples.
            device: where the model is.

        Returns:
            [n, V] logits, and [n] whether the token has a place at all; the row of one without is any row.
        """
        other = self.examples.batch(batch.rows).to(device)
        outputs = task.outputs(model, other)
        lengths = task.answer_lengths(other)
        first = torch.cumsum(lengths, 0) - lengths
        places = flattened(self.places[batch.rows].to(device), task.answer_lengths(batch))
        where = places + first[task.rows(batch)]
        found = places != NOWHERE
        return outputs[where.where(found, 0)], found


def translated(examples: Examples, task: CausalLM, substitutes: Mapping[str, str]) -> Translated:
    """Return the texts of the examples with their names replaced, aligned with the originals.

    Args:
        examples: the originals.
        task: writes texts as tokens.
        substitutes: name to replacement.
    """
    template, tokenizer = task.template, task.tokenizer
    starts, lengths = answer_bounds(examples)
    texts, places = [], []
    for i in range(len(examples)):
        prompt, answer = (replaced(str(np.asarray(examples[key])[i]), substitutes) for key in ("prompt", "answer"))
        # A longer name may push the end of a text out of what the model reads.
        other = (template.given(prompt, tokenizer) + template.said(answer, tokenizer))[: task.context]
        original = examples.tensor(TOKENS)[i, : lengths[i]].tolist()
        where = aligned(original, other)[starts[i] - 1 : lengths[i] - 1]
        texts.append(other)
        places.append([place if place < len(other) - 1 else NOWHERE for place in where])
    begins = [min((p for p in row if p != NOWHERE), default=0) for row in places]
    relative = [[p - begin if p != NOWHERE else p for p in row] for row, begin in zip(places, begins, strict=True)]
    columns = {
        TOKENS: padded(texts, 0).to(torch.int32),
        LENGTH: torch.tensor([len(text) for text in texts]),
        ANSWER_FROM: torch.tensor([begin + 1 for begin in begins]),
    }
    return Translated(Examples(examples.ids, columns), padded(relative, NOWHERE))


def answer_bounds(examples: Examples) -> tuple[list[int], list[int]]:
    """Return for each example the first token of its answer that is predicted, and the token after the last."""
    return examples.tensor(ANSWER_FROM).clamp_min(1).tolist(), examples.tensor(LENGTH).tolist()


def aligned(tokens: Sequence[int], others: Sequence[int]) -> list[int]:
    """Return for each token the place in the other text from which the same next token is predicted, or -1.

    Runs of two or more equal tokens belong together, and what both texts begin and end with. Before such a run stands
    a name that was replaced: its last token belongs to the last token of the replacement, because the same word follows
    both.

    >>> aligned([1, 7, 8, 2, 3, 4], [1, 9, 2, 3, 4])  # the name 7 8 has become 9
    [0, -1, 1, 2, 3, 4]
    """
    places = [NOWHERE] * len(tokens)
    blocks = SequenceMatcher(None, tokens, others, autojunk=False).get_matching_blocks()
    kept = [
        block for block in blocks
        if block.size >= SHORTEST
        or (block.size and block.a == block.b == 0)
        or (block.size and block.a + block.size == len(tokens) and block.b + block.size == len(others))
    ]  # fmt: skip
    for block in kept:
        places[block.a : block.a + block.size] = range(block.b, block.b + block.size)
    for block in kept:
        if block.a and block.b and places[block.a - 1] == NOWHERE:
            places[block.a - 1] = block.b - 1
    return places


def spellings(names: Collection[str], tokenizer: Any) -> dict[tuple[int, ...], str]:
    """Return the token sequences of each name, at the beginning of a text and within it."""
    found: dict[tuple[int, ...], str] = {}
    for name in names:
        for text in (name, f" {name}"):
            found[tuple(_without_blank(tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer))] = name
    found.pop((), None)
    return found


def spans(tokens: Sequence[int], spelled: Mapping[tuple[int, ...], str]) -> list[Span]:
    """Return where the spelled names stand, in order; of two that begin at the same token the longer one counts."""
    longest_first = sorted(spelled, key=len, reverse=True)
    found: list[Span] = []
    place = 0
    while place < len(tokens):
        match = next((s for s in longest_first if tuple(tokens[place : place + len(s)]) == s), None)
        if match is not None:
            found.append(Span(place, place + len(match), spelled[match]))
        place += len(match) if match is not None else 1
    return found


def first_tokens(name: str, tokenizer: Any) -> list[int]:
    """Return the first token of every word of a name, after a space and without one."""
    found: dict[int, None] = {}
    for text in (text for word in name.split() for text in (f" {word}", word)):
        tokens = _without_blank(tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer)
        found |= dict.fromkeys(tokens[:1])
    return list(found)


def padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """Return rows of unequal length as one tensor [N, L], filled up with a value."""
    width = max(map(len, rows), default=0)
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], dtype=torch.long)


def flattened(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the values [B, L, ...] that answers of these lengths [B] have, [n, ...], example after example."""
    return values[torch.arange(values.shape[1], device=values.device) < lengths.unsqueeze(1)]


def unflattened(values: Tensor, lengths: Tensor, width: int) -> Tensor:
    """Return values [n, ...], example after example, as [B, width, ...], zeros after the end of each answer."""
    where = torch.arange(width, device=values.device) < lengths.unsqueeze(1)
    made = values.new_zeros(len(lengths), width, *values.shape[1:])
    made[where] = values
    return made


def mean_of_kept(values: Tensor, kept: Tensor, rows: Tensor, count: int) -> Tensor:
    """Return the mean of the values [n] that are kept [n] of each of `count` rows, [B]; 0 where none is."""
    numbers = length_of_rows(rows[kept], count).clamp_min(1)
    return sum_by_row(values * kept, rows, count) / numbers


def texts_of(examples: Examples) -> list[str]:
    """Return prompt and answer of each example as one text."""
    return [f"{p}\n{a}" for p, a in zip(np.asarray(examples["prompt"]), np.asarray(examples["answer"]), strict=True)]


def _without_blank(tokens: Sequence[int], tokenizer: Any) -> list[int]:
    """Drop the mark that some tokenizers set before a text for the space they add."""
    return list(tokens[1:] if len(tokens) > 1 and not tokenizer.decode(tokens[:1]).strip() else tokens)
