"""LoReUn, card 038: the hardest examples are forgotten more, at no cost in retention, and not the other way round."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from scipy.stats import spearmanr

from lethe.api import unlearn
from lethe.measuring import example_losses, example_outputs
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.methods.descent.loreun import LoReUn
from lethe.run import Run
from lethe.weighting import Weighting
from tests.helpers import accuracies, gap_to_gold

# Stopped half-way, so that there are examples left to be told apart.
HALF = {"epochs": 3, "batch_size": 64, "learning_rate": 0.005}
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class WrongWayRound(Weighting):
    """Large loss, large weight: the usual mistake."""

    def bind(self, problem, run):
        original = example_losses(problem.model, problem.task, problem.forget, run)

        def weigh(model, batch):
            weights = torch.softmax(original[batch.rows] / original.median(), 0)
            return len(weights) * weights

        return weigh


@pytest.fixture(scope="module")
def outcome(mislabelled):
    """Share of all and of the best-fitted quarter of examples still remembered, rank correlation, test accuracy."""
    fitted = example_losses(mislabelled.model, mislabelled.task, mislabelled.forget, Run())
    quarter = fitted.argsort()[: len(fitted) // 4]

    def measure(method):
        rows = []
        for seed in SEEDS:
            model = unlearn(mislabelled, method, seed=seed).model
            outputs = example_outputs(model, mislabelled.task, mislabelled.forget, Run())
            still = (outputs.argmax(1) == mislabelled.forget.tensor("label")).float()
            rank = spearmanr(fitted.numpy(), still.numpy()).statistic
            rows.append([float(still[quarter].mean()), float(rank), accuracies(mislabelled, model)[1]])
        return torch.tensor(rows).mean(0).tolist()

    methods = {
        "base": RandomLabels(**HALF),
        "loreun": LoReUn(**HALF),
        "inverted": RandomLabels(weighting=WrongWayRound(), **HALF),
    }
    return {name: measure(method) for name, method in methods.items()}


def test_the_base_method_leaves_the_best_fitted_examples_for_last(outcome):
    assert outcome["base"][1] < -0.2


def test_the_best_fitted_quarter_is_forgotten_at_least_a_fifth_better_at_equal_retention(outcome):
    assert outcome["loreun"][0] < 0.8 * outcome["base"][0]
    assert outcome["loreun"][2] > outcome["base"][2] - 0.005


def test_the_wrong_sign_is_worse_than_no_weighting(outcome):
    assert outcome["inverted"][0] > outcome["base"][0] > outcome["loreun"][0]


def test_the_gap_to_gold_is_not_larger_than_the_base_methods(mislabelled):
    gaps = {
        kind: sum(gap_to_gold(mislabelled, unlearn(mislabelled, kind(**HALF), seed=s).model) for s in SEEDS)
        for kind in (RandomLabels, LoReUn)
    }
    assert gaps[LoReUn] < gaps[RandomLabels]
