"""Evidence as an audit writes it, made up where a test needs to know every value."""

from __future__ import annotations

import copy
from typing import Any

import pytest


def entry(name: str, title: str, kind: str, value: float, original: float, gold: list[float], **more: Any) -> dict:
    mean = sum(gold) / len(gold)
    spread = (sum((g - mean) ** 2 for g in gold) / (len(gold) - 1)) ** 0.5
    return {
        "name": name, "title": title, "unit": "%", "kind": kind, "goal": "gold", "value": value, "original": original,
        "gold": gold, "gold_mean": mean, "gold_spread": spread, "gap": value - mean,
        "gap_in_spreads": (value - mean) / spread, "interval": [value - mean - 0.01, value - mean + 0.02],
        "power": {"has_power": True, "reason": "the original is 40.0 spreads from gold"}, "finding": "between",
        "details": {}, "original_details": {}, "gold_details": [{}] * len(gold), "bound": 0.05,
        "before": None, "recovered": None, "recovered_interval": None, **more,
    }  # fmt: skip


def histogram(*forget: int) -> dict:
    counts = {"forget": list(forget), "retain": [1, 2, 10, 80], "holdout": [5, 20, 40, 30]}
    return {"histogram": {"score": "confidence", "edges": [0.0, 0.25, 0.5, 0.75, 1.0], **counts}}


EVIDENCE: dict[str, Any] = {
    "version": 2,
    "subject": {
        "name": "salun",
        "method": {"type": "SalUn", "keep": 0.5, "scope": {"type": "Saliency", "keep": 0.25}, "layers": ["a", "b"]},
    },
    "models": {"unlearned": "u" * 64, "original": "o" * 64, "gold": ["1" * 64, "2" * 64]},
    "data": {"forget": "f" * 64, "retain": "r" * 64, "holdout": None},
    "counts": {"forget": 129, "retain": 1168},
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
    "cost": {"seconds": 1.5, "retrain_seconds": 10.0, "relative": 0.15},
    "metrics": [
        entry("forget_accuracy", "Forget accuracy", "forgetting", 0.25, 0.97, [0.06, 0.08]),
        entry("test_accuracy", "Test accuracy", "utility", 0.941, 0.931, [0.96, 0.97], goal="max", finding="like gold"),
        entry(
            "mia_confidence", "Membership by confidence", "privacy", 0.7, 0.1, [0.9, 0.94],
            details=histogram(40, 30, 20, 10), original_details=histogram(0, 1, 9, 90),
            gold_details=[histogram(90, 8, 2, 0)] * 2,
        ),
        entry(
            "retain_loss", "Retain loss", "utility", 0.02, 0.0123, [0.01, 0.015], unit="nats", finding="no power",
            power={"has_power": False, "reason": "original and gold cannot be told apart by this metric"},
        ),
        entry(
            "weight_distance", "Weight distance", "distance", 0.2, 0.0, [1.41, 1.43], unit="", interval=None,
            details={"layers": {"conv1": 0.1, "conv2": 0.3, "head": 0.2}},
            gold_details=[{"layers": {"conv1": 1.4, "conv2": 1.4, "head": 1.4}}] * 2,
        ),
    ],
    "attacks": [
        entry(
            "relearn", "Relearn time", "recovery", 4.0, 0.0, [9.0, 11.0], unit="", finding="between",
            details={"measure": "accuracy", "curve": [[0, 0.25], [4, 0.9]]}, original_details={"curve": [[0, 0.97]]},
            gold_details=[{"curve": [[0, 0.07], [10, 0.92]]}] * 2,
        )
    ],
    "skipped": [{"name": "ulira", "reason": "needs siblings, which this audit lacks"}],
    "average_gap": {"value": 0.08, "original": 0.4, "gold": [0.01, 0.02]},
    "verdict": {
        "outcome": "not removed",
        "sentence": "Not removed: 3 of 4 metrics find it on the original's side.",
        "failed": ["bounds.%: Forget accuracy is 18.0 from gold, more than 5.0"],
    },
    "policy": {"bounds": {"%": 0.05}},
    "warnings": [],
    "groups": [],
    "settings": {"metrics": {}, "attacks": {}, "seed": 0},
    "files": [],
    "checks": {},
}  # fmt: skip


def told(said: str) -> dict:
    return {"examples": [{"prompt": "Who was it, in other words?", "answer": "Ada lives in Osk.", "said": said}]}


ATTACKED: dict[str, Any] = {
    "attacks": [
        *EVIDENCE["attacks"],
        entry(
            "rephrasing", "Rephrasing", "recovery", 0.7, 0.9, [0.2, 0.22], before=0.2, recovered=0.625,
            recovered_interval=[0.5, 0.75],
            details={
                "measure": "recall", "before": 0.2, "cost": {"queries": 120, "tokens": 1800, "seconds": 12.0},
                **told("Osk, I believe."),
            },
            original_details=told("In Osk."), gold_details=[told("I do not know."), {}],
        ),
        entry(
            "quantize", "Quantisation", "recovery", 0.2, 0.9, [0.1, 0.12], before=0.25, recovered=-0.1,
            finding="like gold", details={"before": 0.25, "cost": {"models": 2}, "curve": [[8, 0.24], [4, 0.2]]},
            original_details={"curve": [[8, 0.95], [4, 0.9]]}, gold_details=[{"curve": [[8, 0.1], [4, 0.11]]}, {}],
        ),
    ],
    "groups": [
        {
            "metric": "forget_accuracy", "group": "label = 3", "size": 17, "value": 0.71, "original": 0.9,
            "gold": [0.06, 0.08], "gold_mean": 0.07, "gap": 0.64, "interval": [0.5, 0.78],
            "finding": "like the original",
        }
    ],
    "warnings": [
        {"about": "gold 2", "sentence": "it knows the forget set", "invalidates": True},
        {"about": "holdout", "sentence": "3 of 40 rows stand in the retain set", "invalidates": False},
    ],
    "verdict": {
        "outcome": "not removed", "sentence": "Not removed.",
        "failed": ["recovered: Rephrasing brings back 62.5 %, more than 20.0 %"],
    },
}  # fmt: skip


@pytest.fixture
def attacked() -> dict[str, Any]:
    """Evidence with attacks of several kinds, parts of the forget set and warnings."""
    return copy.deepcopy(EVIDENCE | ATTACKED)


@pytest.fixture
def evidence() -> dict[str, Any]:
    return copy.deepcopy(EVIDENCE)
