"""Membership inference on a language model: how well a score tells the forget set from text never trained on."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.inference import auc
from lethe.auditing.metric import References, Rows, Score
from lethe.auditing.metrics.text import TextMetric
from lethe.auditing.text import by_loss, by_min_k, by_min_k_plus_plus, by_zlib
from lethe.auditing.text_rows import TextRows


@dataclass(frozen=True, kw_only=True)
class TextMembership(TextMetric):
    """The AUC of a membership score, forget set against holdout: 1/2 where neither is known from the other."""

    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    needs: ClassVar[frozenset[str]] = frozenset({"holdout"})

    @abstractmethod
    def scores(self, rows: TextRows) -> Tensor:
        """Return a score of each row, larger for what looks more like training data, [N]."""

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the AUC, between 0 and 1."""
        return Score(auc(rows.texts["forget"].each(self.scores), rows.texts["holdout"].each(self.scores)))


@dataclass(frozen=True, kw_only=True)
class MembershipLoss(TextMembership):
    """AUC of the mean log-probability of an answer's tokens.

    Source: Yeom et al. 2018, arXiv:1709.01604.
    """

    title: ClassVar[str] = "MIA (loss)"

    def scores(self, rows: TextRows) -> Tensor:
        """Return mean_t log p_t, [N]."""
        return by_loss(rows.log)


@dataclass(frozen=True, kw_only=True)
class MembershipZlib(TextMembership):
    """AUC of the log-likelihood of an answer by the size of its text when compressed.

    Args:
        loss: `mean` divides the log-likelihood a token, as published numbers do; `total` that of the whole answer.

    Source: Carlini et al. 2021, arXiv:2012.07805, section 5.2.
    """

    loss: Literal["mean", "total"] = "mean"
    title: ClassVar[str] = "MIA (zlib)"

    def scores(self, rows: TextRows) -> Tensor:
        """Return log-likelihood by compressed bytes, [N]."""
        return by_zlib(rows.log, rows.answers, self.loss)


@dataclass(frozen=True, kw_only=True)
class MembershipMinK(TextMembership):
    """AUC of the mean log-probability of the least likely tokens of an answer (Min-k% Prob).

    Args:
        share: of the tokens.

    Source: Shi et al. 2023, arXiv:2310.16789; share 0.4 as in MUSE, Shi et al. 2024, arXiv:2407.06460.
    """

    share: float = 0.4
    title: ClassVar[str] = "MIA (Min-k)"

    def scores(self, rows: TextRows) -> Tensor:
        """Return the mean over the least likely tokens, [N]."""
        return by_min_k(rows.words, self.share)


@dataclass(frozen=True, kw_only=True)
class MembershipMinKPlusPlus(TextMembership):
    """AUC of the mean standardised log-probability of the least likely tokens of an answer (Min-k%++).

    Args:
        share: of the tokens.

    Source: Zhang et al. 2024, arXiv:2404.02936.
    """

    share: float = 0.4
    title: ClassVar[str] = "MIA (Min-k++)"
    needs: ClassVar[frozenset[str]] = frozenset({"holdout", "moments"})

    def scores(self, rows: TextRows) -> Tensor:
        """Return the mean over the least likely tokens, [N]."""
        return by_min_k_plus_plus(rows.words, self.share)


@dataclass(frozen=True, kw_only=True)
class MembershipReference(TextMetric):
    """AUC of what the model gives an answer beyond gold: mean_t log p_t - mean_t log p_t of gold, mean over golds.

    Source: Carlini et al. 2021, arXiv:2012.07805, section 5.2, with gold as the reference model.
    """

    title: ClassVar[str] = "MIA (reference)"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    needs: ClassVar[frozenset[str]] = frozenset({"holdout", "gold"})

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the AUC, between 0 and 1."""
        forget, holdout = (self._beyond(name, rows, against) for name in ("forget", "holdout"))
        return Score(auc(forget, holdout))

    @staticmethod
    def _beyond(name: str, rows: Rows, against: References) -> Tensor:
        gold = torch.stack([one.texts[name].each(_mean_log_prob) for one in against.gold]).mean(0)
        return rows.texts[name].each(_mean_log_prob) - gold


def _mean_log_prob(rows: TextRows) -> Tensor:
    return by_loss(rows.log)
