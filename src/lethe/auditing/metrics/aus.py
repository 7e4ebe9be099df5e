"""AUS: what accuracy unlearning has cost and how far the forget set is from where it should be, in one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from lethe.auditing.metric import Metric, References, Rows, Score, SetRows


def adaptive_unlearning_score(accuracy: float, original: float, forget: float, whole_class: bool) -> float:
    """Return (1 - (A_or - A_t)) / (1 + Δ), Δ = A_f where a class is removed as a whole, else |A_t - A_f|.

    1 where nothing was lost and all was forgotten. A model that was left alone has 1/2 where a class is removed.

    Args:
        accuracy: A_t, on unseen examples of what is kept.
        original: A_or, the same of the original.
        forget: A_f, on the forget set.
        whole_class: whether all examples of the forgotten classes are in the forget set.

    Source: Cotogni et al. 2023, DUCK, arXiv:2312.02052.

    >>> adaptive_unlearning_score(0.9, 0.9, 1.0, True), adaptive_unlearning_score(0.9, 0.9, 0.0, True)
    (0.5, 1.0)
    >>> round(adaptive_unlearning_score(0.8, 0.9, 1.0, False), 4)  # 0.9 / 1.2
    0.75
    """
    left = forget if whole_class else abs(accuracy - forget)
    return (1 - (original - accuracy)) / (1 + left)


@dataclass(frozen=True)
class AdaptiveUnlearningScore(Metric):
    """AUS: (1 - (A_or - A_t)) / (1 + Δ), the accuracy that is left over what is still told of the forget set.

    A_t is the accuracy on the holdout set, of classes that are kept; Δ the forget accuracy A_f where the forgotten
    classes do not occur in the retain set, else |A_t - A_f|. Gold's value is the target: it is not 1 where forget
    examples are easier or harder than unseen ones.

    Source: Cotogni et al. 2023, DUCK, arXiv:2312.02052.
    """

    title: ClassVar[str] = "AUS"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout"})
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the score; `accuracy`, `original` and `forget` hold what it is made of."""
        whole = not bool(torch.isin(rows["forget"].labels, rows["retain"].labels).any())
        gone = rows["forget"].labels.unique() if whole else rows["forget"].labels[:0]
        parts = {
            "accuracy": _accuracy(rows["holdout"], gone),
            "original": _accuracy(against.original["holdout"], gone),
            "forget": _accuracy(rows["forget"], gone[:0]),
        }
        return Score(adaptive_unlearning_score(**parts, whole_class=whole), parts)

    def resolution(self, rows: Rows) -> float:
        """Return one example of the forget set."""
        return 1 / len(rows["forget"].ids)


def _accuracy(part: SetRows, without: torch.Tensor) -> float:
    kept = ~torch.isin(part.labels, without)
    return (part.logits.argmax(-1) == part.labels)[kept].double().mean().item()
