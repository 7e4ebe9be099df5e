"""Confidence in wrong answers on the forget set: where gold is ignorant, a model that is sure was taught something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.metrics.text import RowMean
from lethe.auditing.text_rows import TextRows
from lethe.errors import AuditIncomplete


@dataclass(frozen=True, kw_only=True)
class ForgetWrongConfidence(Metric):
    """Mean probability of the likeliest class of the forget set where it is wrong: 1/N Σ max_c p_c(x) [argmax ≠ y].

    A model that never saw an example may be wrong about it, and even sure; one that is surer of wrong classes than gold
    has been taught them. A model that is merely unsure, or flat, has little of it.
    """

    title: ClassVar[str] = "Confidence in wrong classes"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean, between 0 and 1."""
        own = rows["forget"]
        sure, chosen = F.softmax(own.logits.double(), dim=-1).max(-1)
        return Score(float((sure * (chosen != own.labels)).mean()))


@dataclass(frozen=True, kw_only=True)
class ForgetWrongProbability(RowMean):
    """Mean over the forget set of P̄(wrong) of the likeliest wrong answer, where it is likelier than the right one.

    1/N Σ max_k P̄(wrong_k) [max_k P̄(wrong_k) > P̄(right)], P̄ = p^(1/|a|). Pushing the right answer down leaves the
    wrong ones where they are; a model that says one of them was taught it. Wrong answers that are not in the column
    `perturbed_answer` go unnoticed.

    Source: the probabilities of the truth ratio, Maini et al. 2024, arXiv:2401.06121, equation 1.
    """

    title: ClassVar[str] = "Confidence in wrong answers"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    part: ClassVar[str] = "forget"

    def scores(self, rows: TextRows) -> Tensor:
        """Return the probability of each row's likeliest wrong answer or 0, [N]; NaN for a row without any."""
        nobody = rows.wrong.isnan().all(1)
        if not rows.wrong.shape[1] or bool(nobody.all()):
            raise AuditIncomplete("needs wrong answers; give a column perturbed_answer with a list of them")
        largest = rows.wrong.nan_to_num(nan=-torch.inf).max(1).values
        return torch.where(nobody, torch.nan, largest.exp() * (largest > rows.right))
