"""Readings: what was measured of one model, row by row, before it is put into views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from lethe.ui.schema import Prediction


@dataclass(frozen=True, eq=False)
class Reading:
    """What one model makes of N examples, set after set.

    Attributes:
        sets: set name to the rows it has, in order; their sum is N.
        columns: name to [N] values.
        means: column to set to mean.
        features: [N, D] what enters the head.
        layers: set to layer to [M, D_l], outputs on a sample of the set, averaged over positions.
        logits: [N, C] of a classifier; None of a language model.
        labels: [N] of a classifier; None of a language model.
        predictions: of a language model, what it says of each inspected row.
    """

    sets: Mapping[str, int]
    columns: Mapping[str, np.ndarray]
    means: Mapping[str, Mapping[str, float]]
    features: np.ndarray
    layers: Mapping[str, Mapping[str, Tensor]]
    logits: Tensor | None = None
    labels: Tensor | None = None
    predictions: tuple[Prediction, ...] = field(default_factory=tuple)

    def of(self, column: str, name: str) -> np.ndarray:
        """Return the values of a column on one set."""
        start = 0
        for other, count in self.sets.items():
            if other == name:
                return self.columns[column][start : start + count]
            start += count
        raise KeyError(name)


def means(columns: Mapping[str, np.ndarray], sets: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Return the mean of each column over the values of each set that are numbers.

    >>> means({"loss": np.array([1.0, 3.0, np.nan, 5.0])}, {"forget": 2, "retain": 2})
    {'loss': {'forget': 2.0, 'retain': 5.0}}
    """
    found: dict[str, dict[str, float]] = {}
    ends = np.cumsum(list(sets.values()))
    for column, values in columns.items():
        parts = np.split(values, ends[:-1])
        found[column] = {
            name: float(part[~np.isnan(part)].mean()) if (~np.isnan(part)).any() else float("nan")
            for name, part in zip(sets, parts, strict=True)
        }
    return found
