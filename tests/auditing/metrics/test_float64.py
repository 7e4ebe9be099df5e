"""Membership scores of measured models against their formulas in float64, written out with NumPy: to 1e-6."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch

from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.membership import true_label_probability
from lethe.auditing.metrics.signals import log_probability, scaled_confidence
from lethe.auditing.metrics.text_membership import (
    MembershipLoss,
    MembershipMinK,
    MembershipMinKPlusPlus,
    MembershipReference,
    MembershipZlib,
)
from lethe.auditing.metrics.threshold import MIAEntropyThreshold, MIALoss
from lethe.losses import modified_entropy
from lethe.problem import Problem
from lethe.run import Run
from lethe.testing.language import tiny_language_problem

CLOSE = 1e-6


@pytest.fixture(scope="module")
def problem() -> Problem:
    return tiny_language_problem()


@pytest.fixture(scope="module")
def measured(problem: Problem) -> tuple[Rows, Rows]:
    sets = {"forget": problem.forget, "holdout": problem.holdout}
    return tuple(
        measure_text(model, problem.task, sets, Run(), Asked(moments=frozenset(sets)))
        for model in (problem.model, problem.gold[0])
    )


def by_hand(problem: Problem, model: torch.nn.Module, share: float) -> dict[str, list[float]]:
    """Every score of the forget set from the logits of one example after the other."""
    found: dict[str, list[float]] = {name: [] for name in ("loss", "zlib", "min_k", "min_k_plus_plus")}
    for i in range(len(problem.forget)):
        batch = problem.forget.batch(torch.tensor([i]))
        with torch.no_grad():
            logits = problem.task.outputs(model, batch).numpy().astype(np.float64)
        log_p = (
            logits
            - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
            - logits.max(1, keepdims=True)
        )
        own = log_p[np.arange(len(log_p)), problem.task.targets(batch).numpy()]
        mean = (np.exp(log_p) * log_p).sum(1)
        deviation = np.sqrt((np.exp(log_p) * (log_p - mean[:, None]) ** 2).sum(1))
        words, standard = own[:-1], ((own - mean) / np.maximum(deviation, 1e-3))[:-1]
        least = max(1, int(share * len(words)))
        found["loss"].append(own.mean())
        found["zlib"].append(own.mean() / len(zlib.compress(str(problem.forget["answer"][i]).encode())))
        found["min_k"].append(np.sort(words)[:least].mean())
        found["min_k_plus_plus"].append(np.sort(standard)[:least].mean())
    return found


def test_scores_of_a_language_model(problem: Problem, measured: tuple[Rows, Rows]) -> None:
    rows, expected = measured[0].texts["forget"], by_hand(problem, problem.model, 0.4)
    metrics = {
        "loss": MembershipLoss(),
        "zlib": MembershipZlib(),
        "min_k": MembershipMinK(share=0.4),
        "min_k_plus_plus": MembershipMinKPlusPlus(share=0.4),
    }
    for name, metric in metrics.items():
        assert metric.scores(rows).tolist() == pytest.approx(expected[name], abs=CLOSE), name


def test_the_area_under_the_curve_counts_pairs(problem: Problem, measured: tuple[Rows, Rows]) -> None:
    model, gold = measured
    inside, outside = (
        (log_probability(model, part) - log_probability(gold, part)).numpy() for part in ("forget", "holdout")
    )
    pairs = (inside[:, None] > outside).mean() + (inside[:, None] == outside).mean() / 2
    assert MembershipReference()(model, References(model, gold=(gold,))).value == pytest.approx(pairs, abs=CLOSE)


def test_scores_of_a_classifier(originals: list[Rows]) -> None:
    rows = originals[0]["holdout"]
    logits, labels = rows.logits.numpy().astype(np.float64), rows.labels.numpy()
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    p = exponents / exponents.sum(1, keepdims=True)
    log_p = logits - logits.max(1, keepdims=True) - np.log(exponents.sum(1, keepdims=True))
    own = np.arange(len(labels)), labels
    others = np.ones_like(p, dtype=bool)
    others[own] = False
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.log(np.where(others, p, 0).sum(1))
        modified = -(1 - p[own]) * log_p[own] - np.where(others, p * np.log1p(-p), 0).sum(1)
    expected = {
        "confidence": (true_label_probability(rows), p[own]),
        "loss": (MIALoss().scores(rows), log_p[own]),
        "entropy": (MIAEntropyThreshold().scores(rows), (p * log_p).sum(1)),
        "modified entropy": (modified_entropy(rows.logits.double(), rows.labels), modified),
        "U-LiRA": (scaled_confidence(originals[0], "holdout"), log_p[own] - rest),
    }
    for name, (found, wanted) in expected.items():
        assert found.tolist() == pytest.approx(wanted.tolist(), abs=CLOSE), name
