"""ToW: how near a model is to gold on all three sets at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from lethe.auditing.metric import Metric, References, Rows, Score, SetRows


def tug_of_war(accuracies: Mapping[str, float], gold: Mapping[str, float]) -> float:
    """Return Π_s (1 - |a_s - a*_s|) over sets s, in [0, 1]: 1 where all accuracies are gold's.

    Args:
        accuracies: a_s, of the model on each set.
        gold: a*_s, of gold on the same.

    Source: Zhao et al. 2024, arXiv:2406.01257, section 3.

    >>> round(tug_of_war({"forget": 1.0, "retain": 0.9, "test": 0.8}, {"forget": 0.5, "retain": 0.9, "test": 0.9}), 9)
    0.45
    """
    return math.prod(1 - abs(accuracy - gold[name]) for name, accuracy in accuracies.items())


@dataclass(frozen=True, kw_only=True)
class TugOfWar(Metric):
    """ToW: Π (1 - |a - a_gold|) over the accuracies on forget set, retain set and unseen examples.

    1 for gold. Unseen examples are the set `test` where one was measured, else the holdout. A model far from gold on
    one set is near 0 however near it is on the others; the accuracies are in the details.

    Source: Zhao et al. 2024, arXiv:2406.01257, section 3; gold's accuracy is the mean over gold models.
    """

    title: ClassVar[str] = "Tug of war"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout", "gold"})

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the product; the details hold the model's accuracy on each set."""
        own, golds = _accuracies(rows), [_accuracies(gold) for gold in against.gold]
        gold = {name: sum(one[name] for one in golds) / len(golds) for name in own}
        return Score(tug_of_war(own, gold), own)


def _accuracies(rows: Rows) -> dict[str, float]:
    sets = {"forget": rows["forget"], "retain": rows["retain"], "test": rows.sets.get("test", rows["holdout"])}
    return {name: _accuracy(part) for name, part in sets.items()}


def _accuracy(part: SetRows) -> float:
    return (part.logits.argmax(-1) == part.labels).double().mean().item()
