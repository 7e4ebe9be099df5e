"""Membership inference: attackers that learn from examples of known membership and then judge others."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lethe.errors import InputError

Judge = Callable[[Tensor], Tensor]


def first_of_each(members: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first min(M, N) rows of both, so that guessing by size alone earns an attacker nothing.

    Raises:
        InputError: one of them is empty.
    """
    require_both(members, others)
    size = min(len(members), len(others))
    return members[:size], others[:size]


def require_both(members: Tensor, others: Tensor) -> None:
    """Raise InputError where there are no members or no others to learn from."""
    if len(members) == 0 or len(others) == 0:
        raise InputError("membership inference has nothing to learn from; give 2 retain and 2 holdout examples")


def support_vector_attack(members: Tensor, others: Tensor, cost: float = 3.0) -> Judge:
    """Train a support vector machine (RBF kernel, γ = 1/D) to tell members from others.

    Args:
        members: [M, D] features of examples the model was trained on.
        others: [N, D] features of examples it never saw.
        cost: C, the price of a violated margin.

    Returns:
        features [K, D] -> [K] float64, 1 where the row is judged a member and 0 elsewhere.

    Source: Jia et al. 2023, arXiv:2304.04934, appendix C.3.
    """
    from sklearn.svm import SVC

    machine = SVC(C=cost, kernel="rbf", gamma="auto")
    features = torch.cat([members, others]).double().numpy()
    machine.fit(features, [1] * len(members) + [0] * len(others))
    return lambda rows: torch.from_numpy(machine.predict(rows.double().numpy())).double()


def random_forest_attack(
    members: Tensor, others: Tensor, trees: int = 100, criterion: str = "gini", seed: int = 0
) -> Judge:
    """Train a random forest to tell members from others.

    Args:
        members: [M, D] features of examples the model was trained on.
        others: [N, D] features of examples it never saw.
        trees: how many.
        criterion: what a split is chosen by: `gini` or `entropy`.
        seed: of the trees.

    Returns:
        features [K, D] -> [K] float64, 1 where the row is judged a member and 0 elsewhere.

    Raises:
        InputError: there are no members or no others.
    """
    from sklearn.ensemble import RandomForestClassifier

    require_both(members, others)
    forest = RandomForestClassifier(n_estimators=trees, criterion=criterion, random_state=seed)
    forest.fit(torch.cat([members, others]).double().numpy(), [1] * len(members) + [0] * len(others))
    return lambda rows: torch.from_numpy(forest.predict(rows.double().numpy())).double()


def best_threshold(members: Tensor, others: Tensor) -> tuple[float, float]:
    """Return the threshold with the largest balanced accuracy when scores at or above it are judged members.

    Args:
        members: [M] scores, larger for what looks more like a member.
        others: [N] scores.

    Returns:
        The threshold, the largest of those that do equally well (infinity, nobody, where none beats guessing), and
        its balanced accuracy in [1/2, 1].

    >>> best_threshold(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0]))
    (2.0, 1.0)
    """
    require_both(members, others)
    candidates = torch.cat([members, others]).unique()
    found = torch.searchsorted(members.sort().values, candidates).double() / len(members)
    spared = torch.searchsorted(others.sort().values, candidates).double() / len(others)
    # Share of members at or above, minus share of others at or above: twice the balanced accuracy, less one.
    advantage = (1 - found) - (1 - spared)
    best = int(advantage.flip(0).argmax())
    if float(advantage.flip(0)[best]) <= 0:
        return math.inf, 0.5
    return float(candidates.flip(0)[best]), 0.5 + 0.5 * float(advantage.flip(0)[best])


def auc(positives: Tensor, negatives: Tensor) -> float:
    """Return the probability that a positive scores above a negative, ties counted half.

    Args:
        positives: [M] scores.
        negatives: [N] scores.

    Returns:
        A number in [0, 1]; 1/2 where the scores say nothing.

    >>> auc(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    0.875
    """
    ordered = negatives.sort().values
    below = torch.searchsorted(ordered, positives)
    up_to = torch.searchsorted(ordered, positives, right=True)
    return float((below + up_to).double().mean()) / (2 * len(negatives))


def found_at(positives: Tensor, negatives: Tensor, false_alarms: float) -> float:
    """Return the share of positives found by the lowest threshold that accuses at most that share of negatives.

    Args:
        positives: [M] scores.
        negatives: [N] scores.
        false_alarms: the largest share of negatives that may lie above the threshold.

    >>> found_at(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([2.5, 0.0, 0.0, 0.0]), 0.25)
    1.0
    >>> found_at(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([2.5, 0.0, 0.0, 0.0]), 0.0)
    0.3333333333333333
    """
    accused = math.floor(false_alarms * len(negatives) + 1e-9)
    # Above the highest negative that may not be accused; ties with it would accuse it as well.
    limit = negatives.sort(descending=True).values[accused] if accused < len(negatives) else -math.inf
    return float((positives > limit).double().mean())
