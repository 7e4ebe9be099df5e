"""Motives: why something is to be forgotten, and which measurements speak of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lethe import catalogue

Motive = Literal["", "privacy", "copyright", "harm", "bias", "incorrect"]


@dataclass(frozen=True)
class Evaluation:
    """What to look at first in an audit.

    Args:
        words: what has to be shown.
        metrics: names of metrics that speak of it; an audit computes those that fit the task.
        attacks: names of attacks that do.
    """

    words: str
    metrics: tuple[str, ...]
    attacks: tuple[str, ...]

    def of_task(self, task: str) -> tuple[str, ...]:
        """Return the names of those that work on a kind of model, metrics first."""
        named = [("metric", name) for name in self.metrics] + [("attack", name) for name in self.attacks]
        return tuple(name for kind, name in named if task in _tasks(kind, name))


def _tasks(kind: str, name: str) -> set[str]:
    return {catalogue.snake(task.__name__) for task in catalogue.find(kind, name).tasks}


EVALUATIONS: Mapping[Motive, Evaluation] = {
    "privacy": Evaluation(
        "nobody can tell that the examples were trained on, or get them out",
        ("mia_confidence", "membership_loss", "membership_min_k_plus_plus", "rmia", "u_lira", "extraction_strength"),
        ("prefix_extraction", "relearn_few"),
    ),
    "copyright": Evaluation(
        "the text is not given back word for word, whatever it is begun with",
        ("forget_rouge", "exact_memorization", "extraction_strength"),
        ("prefix_extraction", "relearn_text"),
    ),
    "harm": Evaluation(
        "the knowledge does not come back under attack",
        ("forget_accuracy", "forget_probability"),
        ("relearn_few", "relearn_benign", "quantize", "soft_prompt", "greedy_coordinate", "linear_probe"),
    ),
    "bias": Evaluation(
        "no group fares worse than the others: read the parts of the forget set, not the mean",
        ("forget_accuracy", "holdout_accuracy", "forget_truth_ratio"),
        (),
    ),
    "incorrect": Evaluation(
        "the true answer is back in the place of the false one, not silence or another falsehood",
        ("forget_truth_ratio", "truth_preference", "forget_loss"),
        ("relearn", "relearn_text"),
    ),
}
"""A motive's own measurements.

Source: the motives are those of Qu et al. 2024, The frontier of data erasure, arXiv:2403.15779.
"""
