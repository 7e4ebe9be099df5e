"""Membership inference on the model's own outputs: is the forget set still treated as data it was trained on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.auditing.inference import first_of_each, support_vector_attack
from lethe.auditing.metric import Metric, References, Rows, Score, SetRows
from lethe.losses import entropy, modified_entropy

SETS = ("forget", "retain", "holdout")
BINS = 20


def true_label_probability(rows: SetRows) -> Tensor:
    """Return softmax(logits)_y of every example, [N]."""
    return F.softmax(rows.logits, dim=-1).gather(1, rows.labels.unsqueeze(1)).squeeze(1)


@dataclass(frozen=True, kw_only=True)
class MIAEfficacy(Metric):
    """MIA-efficacy: the share of the forget set that an attacker takes for data the model never saw.

    A support vector machine learns from the audited model's own outputs: members are the first |holdout| retain
    examples, non-members the holdout. Gold's value is the target, neither 0 nor 1: it is what unseen data get.

    Args:
        cost: C of the support vector machine.

    Source: Jia et al. 2023, arXiv:2304.04934, section 5.1 and appendix C.3.
    """

    cost: float = 3.0
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout"})
    resample: ClassVar[bool] = False

    @abstractmethod
    def features(self, rows: SetRows) -> Tensor:
        """Return what the attacker sees of each example, [N, D]."""

    def extras(self, rows: Rows) -> Mapping[str, Any]:
        """Return what else is worth keeping of this feature."""
        return {}

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return TN / |D_f|; the details hold the attacker's success on what it learned from."""
        members, others = first_of_each(self.features(rows["retain"]), self.features(rows["holdout"]))
        judge = support_vector_attack(members, others, self.cost)
        value = 1 - float(judge(self.features(rows["forget"])).mean())
        learned = {"members_found": float(judge(members).mean()), "others_found": 1 - float(judge(others).mean())}
        return Score(value, {**learned, **self.extras(rows)})


@dataclass(frozen=True, kw_only=True)
class MIAConfidence(MIAEfficacy):
    """MIA-efficacy from the probability of the true label: the variant the literature reports.

    Source: Jia et al. 2023, arXiv:2304.04934, appendix C.3.
    """

    title: ClassVar[str] = "MIA (confidence)"

    def features(self, rows: SetRows) -> Tensor:
        """Return p_y, [N, 1]."""
        return true_label_probability(rows).unsqueeze(1)

    def extras(self, rows: Rows) -> Mapping[str, Any]:
        """Return histograms of p_y by set, as counts."""
        edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)
        counts = {
            name: torch.histc(true_label_probability(rows[name]), BINS, min=0, max=1).long().tolist() for name in SETS
        }
        return {"histogram": {"score": "true-label probability", "edges": edges.tolist(), **counts}}


@dataclass(frozen=True, kw_only=True)
class MIACorrectness(MIAEfficacy):
    """MIA-efficacy from whether the prediction is right.

    Source: Jia et al. 2023, arXiv:2304.04934; the gap attack of Yeom et al. 2018, arXiv:1709.01604.
    """

    title: ClassVar[str] = "MIA (correctness)"

    def features(self, rows: SetRows) -> Tensor:
        """Return 1 where the prediction is right and 0 elsewhere, [N, 1]."""
        return (rows.logits.argmax(1) == rows.labels).unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class MIAEntropy(MIAEfficacy):
    """MIA-efficacy from the entropy of the prediction, which needs no label.

    Source: Jia et al. 2023, arXiv:2304.04934, released evaluation.
    """

    title: ClassVar[str] = "MIA (entropy)"

    def features(self, rows: SetRows) -> Tensor:
        """Return the entropy, [N, 1]."""
        return entropy(rows.logits).unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class MIAModifiedEntropy(MIAEfficacy):
    """MIA-efficacy from the modified entropy, small only where the prediction is sure and right.

    Args:
        release: use what the released code computes instead of the published formula: -Σ_c q_c log p_c with
            q_c = 1 - p_c for every class c that occurs in the set, and p_c for the others.

    Source: Song and Mittal 2021, arXiv:2003.10595, eq. 4; Jia et al. 2023, arXiv:2304.04934.
    """

    release: bool = False
    title: ClassVar[str] = "MIA (modified entropy)"

    def features(self, rows: SetRows) -> Tensor:
        """Return the modified entropy, [N, 1]."""
        score = _released_entropy if self.release else modified_entropy
        return score(rows.logits, rows.labels).unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class MIAProbability(MIAEfficacy):
    """MIA-efficacy from the whole predicted distribution.

    Source: Jia et al. 2023, arXiv:2304.04934, released evaluation.
    """

    title: ClassVar[str] = "MIA (probabilities)"

    def features(self, rows: SetRows) -> Tensor:
        """Return softmax(logits), [N, C]."""
        return F.softmax(rows.logits, dim=-1)


@dataclass(frozen=True, kw_only=True)
class MIAPrivacy(Metric):
    """MIA-privacy: how well an attacker tells the retain set from the holdout; it says nothing of the forget set.

    The attacker learns from the true-label probabilities of the first h = ⌊|holdout|/2⌋ examples of both and is judged
    on all others by the mean of both recalls; 50 % is perfect privacy.

    Args:
        cost: C of the support vector machine.

    Source: Jia et al. 2023, arXiv:2304.04934, released evaluation.
    """

    cost: float = 3.0
    title: ClassVar[str] = "MIA privacy"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout"})
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean recall of members and of non-members."""
        inside, outside = (true_label_probability(rows[name]).unsqueeze(1) for name in ("retain", "holdout"))
        # A retain set smaller than the holdout must leave examples to be judged too.
        half = min(len(inside) // 2, len(outside) // 2)
        judge = support_vector_attack(*first_of_each(inside[:half], outside[:half]), self.cost)
        found, spared = float(judge(inside[half:]).mean()), 1 - float(judge(outside[half:]).mean())
        return Score((found + spared) / 2, {"members_found": found, "others_found": spared})

    def resolution(self, rows: Rows) -> float:
        """Return the share that one holdout example is of those judged, half of the mean of both recalls."""
        return 1 / len(rows["holdout"].ids)


def _released_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    log_probs = F.log_softmax(logits.double(), dim=-1)
    # The released code takes log(1e-30) for a probability that underflowed.
    log_probs, probs = log_probs.clamp_min(torch.tensor(1e-30, dtype=torch.float64).log()), log_probs.exp()
    occurs = torch.zeros(logits.shape[1], dtype=torch.bool).index_fill(0, labels.unique(), True)
    return -(torch.where(occurs, 1 - probs, probs) * log_probs).sum(1).to(logits.dtype)
