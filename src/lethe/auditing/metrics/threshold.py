"""Membership inference by a threshold on one score, fitted on retain against holdout."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F

from lethe.auditing.inference import auc, best_threshold
from lethe.auditing.metric import Metric, References, Rows, Score, SetRows
from lethe.losses import entropy


@dataclass(frozen=True, kw_only=True)
class ThresholdMembership(Metric):
    """The share of the forget set that a threshold on one score judges to be training data.

    The threshold has the best balanced accuracy on retain against holdout.
    """

    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout"})

    @abstractmethod
    def scores(self, rows: SetRows) -> Tensor:
        """Return a score of each example, larger for what looks more like training data, [N]."""

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the share judged members; the details hold the power of the threshold and the AUC against holdout."""
        forget, retain, holdout = (self.scores(rows[name]) for name in ("forget", "retain", "holdout"))
        threshold, accuracy = best_threshold(retain, holdout)
        details = {"balanced_accuracy": accuracy, "auc_forget_holdout": auc(forget, holdout)}
        return Score(float((forget >= threshold).double().mean()), details)


@dataclass(frozen=True, kw_only=True)
class MIALoss(ThresholdMembership):
    """Loss-threshold attack: the share of the forget set whose loss is as low as that of training data.

    Source: Yeom et al. 2018, arXiv:1709.01604, with the threshold fitted to balanced accuracy.
    """

    title: ClassVar[str] = "MIA (loss threshold)"

    def scores(self, rows: SetRows) -> Tensor:
        """Return log p_y, [N]; in float64, where a sure prediction still has a loss."""
        return -F.cross_entropy(rows.logits.double(), rows.labels, reduction="none")


@dataclass(frozen=True, kw_only=True)
class MIAEntropyThreshold(ThresholdMembership):
    """Entropy-threshold attack: the share of the forget set predicted as surely as training data, labels unseen.

    Source: the entropy attack of Chundawat et al. 2023, arXiv:2205.08096, and Foster et al. 2024, arXiv:2308.07707,
    with the balanced-accuracy threshold in the place of their balanced logistic regression on the same one number.
    """

    title: ClassVar[str] = "MIA (entropy threshold)"

    def scores(self, rows: SetRows) -> Tensor:
        """Return the negative entropy, [N]."""
        return -entropy(rows.logits.double())
