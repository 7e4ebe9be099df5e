"""Membership inference by random forests on the loss: how much of the forget set is taken for unseen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from lethe.auditing.inference import random_forest_attack
from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.metrics.signals import log_probability

TREES, CRITERIA = (20, 50, 100), ("gini", "entropy")  # of the published evaluations


def unseen_shares(members: Tensor, others: Tensor, judged: Tensor, seed: int = 0) -> dict[str, float]:
    """Return the share of the judged examples that each of six forests takes for unseen, by `criterion-trees`.

    Args:
        members: [M] losses of examples the model was trained on.
        others: [N] losses of examples it never saw.
        judged: [K] losses of those in question.
        seed: of the forests.

    Source: De Min et al. 2025, arXiv:2407.12069, and 2025, arXiv:2503.09330, released evaluations.

    >>> import torch
    >>> near, far = torch.linspace(0.0, 0.1, 20), torch.linspace(1.0, 1.1, 20)
    >>> set(unseen_shares(near, far, torch.tensor([0.05, 1.05, 1.04, 1.06])).values())
    {0.75}
    """
    found = {}
    for trees in TREES:
        for criterion in CRITERIA:
            judge = random_forest_attack(members.unsqueeze(1), others.unsqueeze(1), trees, criterion, seed)
            found[f"{criterion}-{trees}"] = 1 - float(judge(judged.unsqueeze(1)).mean())
    return found


@dataclass(frozen=True, kw_only=True)
class MIAForest(Metric):
    """Share of the forget set that a random forest on losses takes for unseen data: the largest over six forests.

    The forests learn retained examples from those of the holdout. Gold's value is the target. Six forests take a second
    or more a model, so that an audit has this metric only where `metrics` names it.

    Source: De Min et al. 2025, arXiv:2407.12069, and 2025, arXiv:2503.09330, released evaluations: 20, 50 or 100 trees,
        by Gini impurity or entropy.
    """

    title: ClassVar[str] = "MIA (forest)"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout"})
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the largest share; the details hold that of each forest."""
        losses = {name: -log_probability(rows, name) for name in ("retain", "holdout", "forget")}
        shares = unseen_shares(losses["retain"], losses["holdout"], losses["forget"], seed)
        return Score(max(shares.values()), shares)
