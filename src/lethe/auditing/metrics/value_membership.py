"""Membership inference on the loss of a regression model: is the forget set still treated as training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lethe.auditing.inference import auc, best_threshold, first_of_each, support_vector_attack
from lethe.auditing.metric import References, Rows, Score
from lethe.auditing.metrics.values import ValueMetric


@dataclass(frozen=True, kw_only=True)
class ErrorMembership(ValueMetric):
    """The share of the forget set that an attacker takes for training data; gold's value is the target, not 0."""

    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout"})


@dataclass(frozen=True, kw_only=True)
class MIAErrorSVM(ErrorMembership):
    """A support vector machine on the loss of one example, trained on as many retain examples as there are holdout.

    Its kernel is RBF with γ = 1, which is what one number gets from γ = 1/D: losses far below 1 hardly differ to it,
    so measure targets in units of their own spread.

    Args:
        cost: C of the support vector machine.

    Source: Tarun et al. 2023, Deep Regression Unlearning, arXiv:2210.08196 (their release).
    """

    cost: float = 3.0
    title: ClassVar[str] = "MIA (error, SVM)"
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the share judged members; the details hold the attacker's success on what it learned from."""
        losses = {name: rows.values[name].losses.unsqueeze(1) for name in ("forget", "retain", "holdout")}
        members, others = first_of_each(losses["retain"], losses["holdout"])
        judge = support_vector_attack(members, others, self.cost)
        learned = {"members_found": float(judge(members).mean()), "others_found": 1 - float(judge(others).mean())}
        return Score(float(judge(losses["forget"]).mean()), learned)


@dataclass(frozen=True, kw_only=True)
class MIAErrorThreshold(ErrorMembership):
    """Loss-threshold attack: the share of the forget set whose loss is as low as that of training data.

    The threshold has the best balanced accuracy on retain against holdout.

    Source: Yeom et al. 2018, arXiv:1709.01604, with the threshold fitted to balanced accuracy.
    """

    title: ClassVar[str] = "MIA (error threshold)"

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the share judged members; the details hold the power of the threshold and the AUC against holdout."""
        forget, retain, holdout = (-rows.values[name].losses for name in ("forget", "retain", "holdout"))
        threshold, accuracy = best_threshold(retain, holdout)
        details = {"balanced_accuracy": accuracy, "auc_forget_holdout": auc(forget, holdout)}
        return Score(float((forget >= threshold).double().mean()), details)
