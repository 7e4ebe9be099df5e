"""NoMUS: accuracy on unseen examples and the failure of membership inference, half each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.auditing.metric import Metric, References, Rows, Score, SetRows
from lethe.errors import InputError

FOLDS, JUDGED = 10, 0.1  # of the published evaluation


def nomus(accuracy: float, membership: float, weight: float = 0.5) -> float:
    """Return λ A + (1 - λ)(1 - 2 |M - ½|), between 0 and 1; larger is better.

    Args:
        accuracy: A, on unseen examples.
        membership: M, the accuracy of membership inference.
        weight: λ.

    Source: Choi and Na 2023, arXiv:2311.02240, section 4.

    >>> round(nomus(0.5951, 0.5 + 0.2136), 4), nomus(0.0, 1.0)  # the first is a row of the published table
    (0.5839, 0.0)
    """
    return weight * accuracy + (1 - weight) * (1 - 2 * abs(membership - 0.5))


def membership_accuracy(members: Tensor, others: Tensor) -> float:
    """Return the accuracy of a logistic regression on losses that tells members from others, in [0, 1].

    The mean over ten stratified splits, each of which judges a tenth of the examples.

    Args:
        members: [N] losses of the examples to be forgotten.
        others: [N] losses of unseen ones.

    Raises:
        InputError: there are fewer than 10 of each, so that no tenth could be judged.

    Source: Choi and Na 2023, arXiv:2311.02240, released evaluation, after the NeurIPS 2023 unlearning challenge.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

    if min(len(members), len(others)) < FOLDS:
        raise InputError(f"NoMUS judges a tenth of the examples; give {FOLDS} or more to forget and unseen ones")
    losses = torch.cat([members, others]).double().unsqueeze(1).numpy()
    labels = [1] * len(members) + [0] * len(others)
    splits = StratifiedShuffleSplit(n_splits=FOLDS, test_size=JUDGED, random_state=0)
    return float(cross_val_score(LogisticRegression(), losses, labels, cv=splits, scoring="accuracy").mean())


@dataclass(frozen=True, kw_only=True)
class ForgettingScore(Metric):
    """|M - ½|, M the accuracy of a membership attack on losses, forget set against unseen examples.

    0 where the forget set looks unseen. Tables of the benchmark head it `MIA`; M itself is in the details. The attack
    learns which side of a threshold is whose, so that a forget set that stands out by large losses scores like one that
    stands out by small ones: gold's value is the target, which is not 0 where the forget set is harder than other data.

    Source: Choi and Na 2023, arXiv:2311.02240, section 4; the larger of both sets is cut to the size of the other.
    """

    title: ClassVar[str] = "Forgetting score"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    needs: ClassVar[frozenset[str]] = frozenset({"holdout"})
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return |M - ½|, between 0 and ½; `membership` holds M."""
        membership = _membership(rows, seed)
        return Score(abs(membership - 0.5), {"membership": membership})


@dataclass(frozen=True, kw_only=True)
class NoMUS(Metric):
    """Normalised machine unlearning score: λ A + (1 - λ)(1 - 2 |M - ½|), accuracy beside membership inference.

    A is the accuracy on the set `test` where one was measured, else on the holdout, which also gives the unseen
    examples of the attack. Read its parts, in the details, as well: a model that answers nothing has a perfect M.

    Args:
        weight: λ of the accuracy.

    Source: Choi and Na 2023, arXiv:2311.02240, section 4.
    """

    weight: float = 0.5
    title: ClassVar[str] = "NoMUS"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["utility"]] = "utility"
    goal: ClassVar[Literal["max"]] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"holdout"})
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the score; `accuracy`, `membership` and `forgetting_score` hold what it is made of."""
        test = rows.sets.get("test", rows["holdout"])
        accuracy = (test.logits.argmax(1) == test.labels).double().mean().item()
        membership = _membership(rows, seed)
        parts = {"accuracy": accuracy, "membership": membership, "forgetting_score": abs(membership - 0.5)}
        return Score(nomus(accuracy, membership, self.weight), parts)

    def resolution(self, rows: Rows) -> float:
        """Return half an example of those the accuracy is counted on."""
        return self.weight / len(rows.sets.get("test", rows["holdout"]).ids)


def _membership(rows: Rows, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    forget, unseen = _losses(rows["forget"]), _losses(rows["holdout"])
    size = min(len(forget), len(unseen))
    chosen = [losses[torch.randperm(len(losses), generator=generator)[:size]] for losses in (forget, unseen)]
    return membership_accuracy(chosen[0], chosen[1])


def _losses(rows: SetRows) -> Tensor:
    return F.cross_entropy(rows.logits.double(), rows.labels, reduction="none")
