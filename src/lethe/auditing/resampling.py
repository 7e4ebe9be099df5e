"""Resampling: the same measurements on bootstrap samples of the examples, for confidence intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from lethe.auditing.metric import References, Rows, SetRows


def draws(rows: Rows, count: int, generator: torch.Generator) -> Iterator[dict[str, Tensor]]:
    """Yield `count` bootstrap samples: set name to [N] positions drawn with replacement.

    One sample serves all models of an audit: they are measured on the same examples, so their errors are paired.
    """
    for _ in range(count):
        yield {name: torch.randint(count, (count,), generator=generator) for name, count in rows.counts.items()}


def resampled(rows: Rows, drawn: Mapping[str, Tensor]) -> Rows:
    """Return the rows at these positions: all that resampled metrics may read."""
    return Rows(
        {name: _take(part, drawn[name]) for name, part in rows.sets.items()},
        rows.head,
        rows.weights,
        {name: part.take(drawn[name]) for name, part in rows.texts.items()},
        values={name: part.take(drawn[name]) for name, part in rows.values.items()},
    )


def resampled_references(references: References, drawn: Mapping[str, Tensor]) -> References:
    """Return the references measured on the same sample."""
    return References(
        original=resampled(references.original, drawn),
        gold=tuple(resampled(one, drawn) for one in references.gold),
        originals=tuple(resampled(one, drawn) for one in references.originals),
        siblings=tuple(resampled(one, drawn) for one in references.siblings),
    )


def _take(part: SetRows, positions: Tensor) -> SetRows:
    return SetRows(
        ids=tuple(part.ids[i] for i in positions.tolist()),
        labels=part.labels[positions],
        logits=part.logits[positions],
        features=part.features.new_empty(len(positions), 0),
    )
