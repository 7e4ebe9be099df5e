"""Accuracy and loss on the three sets: what a model still knows, and what it is still good for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch.nn import functional as F

from lethe.auditing.metric import Metric, References, Rows, Score, SetName


@dataclass(frozen=True)
class _Accuracy(Metric):
    """Share of a set whose most likely class is its label: 1/N Σ [argmax_c f_c(x_i) = y_i]."""

    part: ClassVar[SetName]
    unit: ClassVar[str] = "%"

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the share, between 0 and 1."""
        own = rows[self.part]
        return Score((own.logits.argmax(-1) == own.labels).double().mean().item())

    def resolution(self, rows: Rows) -> float:
        """Return one example of the set."""
        return 1 / len(rows[self.part].ids)


@dataclass(frozen=True)
class ForgetAccuracy(_Accuracy):
    """Accuracy on the forget set (1 - UA of the literature); right where it is gold's, not where it is 0."""

    title: ClassVar[str] = "Forget accuracy"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    part: ClassVar[SetName] = "forget"


@dataclass(frozen=True)
class RetainAccuracy(_Accuracy):
    """Accuracy on the retain set (RA): what unlearning has cost of what was to be kept."""

    title: ClassVar[str] = "Retain accuracy"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    part: ClassVar[SetName] = "retain"


@dataclass(frozen=True)
class HoldoutAccuracy(_Accuracy):
    """Accuracy on the holdout set (TA): what unlearning has cost on unseen examples."""

    title: ClassVar[str] = "Test accuracy"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"holdout"})
    part: ClassVar[SetName] = "holdout"


@dataclass(frozen=True)
class _Loss(Metric):
    """Mean cross-entropy of a set, -1/N Σ log p(y_i | x_i)."""

    part: ClassVar[SetName]
    unit: ClassVar[str] = "nats"

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean loss in nats, at least 0."""
        own = rows[self.part]
        return Score(F.cross_entropy(own.logits.double(), own.labels).item())


@dataclass(frozen=True)
class ForgetLoss(_Loss):
    """Cross-entropy on the forget set; far above gold's it gives the forget set away as surely as far below."""

    title: ClassVar[str] = "Forget loss"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    part: ClassVar[SetName] = "forget"


@dataclass(frozen=True)
class RetainLoss(_Loss):
    """Cross-entropy on the retain set."""

    title: ClassVar[str] = "Retain loss"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["min"]] = "min"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    part: ClassVar[SetName] = "retain"


@dataclass(frozen=True)
class HoldoutLoss(_Loss):
    """Cross-entropy on the holdout set."""

    title: ClassVar[str] = "Test loss"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["min"]] = "min"
    needs: ClassVar[frozenset[str]] = frozenset({"holdout"})
    part: ClassVar[SetName] = "holdout"
