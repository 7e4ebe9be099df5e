"""Errors of a regression model on the three sets, and how far its predictions on the forget set are from gold's."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from lethe.auditing.metric import Metric, References, Rows, Score, SetName
from lethe.auditing.value_rows import ValueRows
from lethe.errors import AuditIncomplete
from lethe.tasks import Regression, Task


@dataclass(frozen=True)
class ValueMetric(Metric):
    """A metric of regression models."""

    tasks: ClassVar[tuple[type[Task], ...]] = (Regression,)


@dataclass(frozen=True)
class _Error(ValueMetric):
    """Mean loss of a set, 1/N Σ ℓ(f(x_i), y_i), ℓ the task's |f - y| or (f - y)²."""

    part: ClassVar[SetName]

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean, at least 0; `relative` is that by what predicting the mean target would cost."""
        own = rows.values[self.part]
        error = float(own.losses.mean())
        return Score(error, {"relative": error / own.scale})


@dataclass(frozen=True)
class ForgetError(_Error):
    """Error on the forget set; right where it is gold's, not where it is largest.

    Source: Tarun et al. 2023, Deep Regression Unlearning, arXiv:2210.08196.
    """

    title: ClassVar[str] = "Forget error"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    part: ClassVar[SetName] = "forget"


@dataclass(frozen=True)
class RetainError(_Error):
    """Error on the retain set: what unlearning has cost of what was to be kept."""

    title: ClassVar[str] = "Retain error"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["min"]] = "min"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    part: ClassVar[SetName] = "retain"


@dataclass(frozen=True)
class HoldoutError(_Error):
    """Error on the holdout set: what unlearning has cost on unseen examples."""

    title: ClassVar[str] = "Test error"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["min"]] = "min"
    needs: ClassVar[frozenset[str]] = frozenset({"holdout"})
    part: ClassVar[SetName] = "holdout"


@dataclass(frozen=True)
class _ToGold(ValueMetric):
    """A distance of the predictions on the forget set from gold's, mean over gold models."""

    kind: ClassVar[Literal["distance"]] = "distance"
    goal: ClassVar[Literal["min"]] = "min"
    needs: ClassVar[frozenset[str]] = frozenset({"gold"})

    @abstractmethod
    def distance(self, own: ValueRows, gold: ValueRows) -> float:
        """Return the distance from one gold model."""

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean distance, 0 where the predictions agree; `by_gold` holds that from each gold model."""
        found = [self.distance(rows.values["forget"], gold.values["forget"]) for gold in against.gold]
        details: dict[str, Any] = {"by_gold": found}
        return Score(sum(found) / len(found), details)


@dataclass(frozen=True)
class WassersteinToGold(_ToGold):
    """Wasserstein-1 distance between the distributions of predictions of model and gold, in units of the target.

    Of N predictions each it is the mean distance of the sorted values, 1/N Σ |f_(i) - g_(i)|. It does not see which
    example a value was predicted for.

    Source: Tarun et al. 2023, Deep Regression Unlearning, arXiv:2210.08196.
    """

    title: ClassVar[str] = "Wasserstein to gold"

    def distance(self, own: ValueRows, gold: ValueRows) -> float:
        """Return W1 of both empirical distributions, of one size."""
        return float((own.predictions.sort().values - gold.predictions.sort().values).abs().mean())


@dataclass(frozen=True)
class PredictionGap(_ToGold):
    """Relative prediction gap, 1/N Σ |f(x_i) - g(x_i)| / |y_i|, g the prediction of gold.

    Source: Tarun et al. 2023, Deep Regression Unlearning, arXiv:2210.08196.
    """

    title: ClassVar[str] = "Prediction gap"

    def distance(self, own: ValueRows, gold: ValueRows) -> float:
        """Return the mean gap; raises AuditIncomplete where a target is 0."""
        zero = (own.targets == 0).nonzero().flatten()
        if len(zero):
            raise AuditIncomplete(
                f"the target of '{own.ids[int(zero[0])]}' is 0, and a gap relative to it has no size; "
                "read wasserstein_to_gold"
            )
        return float(((own.predictions - gold.predictions).abs() / torch.abs(own.targets)).mean())
