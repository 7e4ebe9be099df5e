"""Checks: a few numbers of each model on a fixed sample of examples, which anybody can measure again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.auditing.metric import Rows
from lethe.run import Run

SAMPLE = 16
"""Examples of each set."""

TOLERANCE = 1e-3
"""Largest difference, absolute or of the larger value's size: another machine rounds differently."""


def sampled(rows: Rows, run: Run) -> dict[str, list[str]]:
    """Return the ids of the examples of each set that are checked, drawn with the run's seed."""
    found = {}
    for name in rows.counts:
        ids = rows.ids(name)
        order = torch.randperm(len(ids), generator=run.generator("checks", name))[:SAMPLE]
        found[name] = [ids[i] for i in order.sort().values.tolist()]
    return found


def values(rows: Rows, ids: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Return, by set, what the model gives these examples.

    `log_probability` is the mean of log p(label), or of an answer's tokens; `likeliest` the share of labels (of
    answers' tokens) that are the model's first choice. Of a regression model they are the mean `prediction` and `loss`.
    """
    return {
        name: {key: float(row_values[_positions(rows, name, chosen)].mean()) for key, row_values in _each(rows, name)}
        for name, chosen in ids.items()
    }


def _positions(rows: Rows, name: str, chosen: Sequence[str]) -> Tensor:
    place = {one: i for i, one in enumerate(rows.ids(name))}
    return torch.tensor([place[one] for one in chosen])


def _each(rows: Rows, name: str) -> list[tuple[str, Tensor]]:
    if name in rows.texts:
        log = rows.texts[name].log
        return [("log_probability", log.means(log.log_probs)), ("likeliest", log.means(log.greedy.double()))]
    if name in rows.values:
        return [("prediction", rows.values[name].predictions), ("loss", rows.values[name].losses)]
    own = rows.sets[name]
    said = F.log_softmax(own.logits.double(), dim=-1).gather(1, own.labels.unsqueeze(1)).squeeze(1)
    return [("log_probability", said), ("likeliest", (own.logits.argmax(-1) == own.labels).double())]


def differing(recorded: Mapping[str, Any], measured: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a clause for each number that is not what was recorded."""
    found = []
    for part, numbers in recorded.items():
        for key, before in numbers.items():
            now = measured.get(part, {}).get(key)
            if now is None or abs(now - before) > TOLERANCE * max(1.0, abs(before)):
                found.append(
                    f"{key} on the {part} set is {'missing' if now is None else f'{now:.4g}'}, not {before:.4g}"
                )
    return found
