"""The forest attack finds what was trained on by its loss, and is fooled by what looks unseen."""

from __future__ import annotations

import pytest
import torch

from lethe.auditing.metrics.forest import CRITERIA, TREES, MIAForest, unseen_shares
from lethe.errors import InputError
from tests.auditing.metrics.made import NOBODY, made, with_probability


def test_the_share_is_that_of_the_forget_set_with_losses_like_the_holdouts() -> None:
    sure, unsure = torch.linspace(0.9, 0.95, 40), torch.linspace(0.3, 0.35, 40)
    forget = torch.tensor([0.92, 0.93, 0.94, 0.32])
    rows = made(retain=with_probability(sure), holdout=with_probability(unsure), forget=with_probability(forget))
    score = MIAForest()(rows, NOBODY)
    assert score.value == 0.25
    assert len(score.details) == len(TREES) * len(CRITERIA) == 6


def test_the_best_of_six_counts_and_the_seed_decides() -> None:
    draw = torch.Generator().manual_seed(0)
    # Of few values, so that what a forest says of one depends on how its trees were drawn.
    members, others, judged = (torch.randint(1, 30, (n,), generator=draw) / 10 for n in (60, 55, 50))
    shares = unseen_shares(members, others, judged, seed=3)
    assert len(set(shares.values())) > 1
    assert shares == unseen_shares(members, others, judged, seed=3) != unseen_shares(members, others, judged, seed=4)
    rows = made(**{
        name: with_probability((-losses).exp())
        for name, losses in (("retain", members), ("holdout", others), ("forget", judged))
    })  # fmt: skip
    score = MIAForest()(rows, NOBODY, seed=3)
    assert score.value == max(score.details.values())


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to learn from"):
        unseen_shares(torch.empty(0), torch.ones(3), torch.ones(3))
