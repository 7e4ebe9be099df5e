"""`--evaluate-every` and `--keep`: what is measured while a model is unlearned, and which state becomes the result."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from lethe import models
from lethe.auditing.metric import Metric, References, Rows, SetName, SetRows
from lethe.auditing.metrics.accuracy import (
    ForgetAccuracy,
    ForgetLoss,
    HoldoutAccuracy,
    HoldoutLoss,
    RetainAccuracy,
    RetainLoss,
)
from lethe.errors import ConfigurationError, nearest
from lethe.examples import Examples
from lethe.measuring import example_outputs
from lethe.problem import Problem
from lethe.run import Keep, Run, Watch
from lethe.tasks import as_classification

SAMPLE = 2_000
QUICK: Mapping[str, Metric] = {
    "forget_accuracy": ForgetAccuracy(),
    "retain_accuracy": RetainAccuracy(),
    "holdout_accuracy": HoldoutAccuracy(),
    "forget_loss": ForgetLoss(),
    "retain_loss": RetainLoss(),
    "holdout_loss": HoldoutLoss(),
}
ACCURACY_GAP = "accuracy_gap"


def watched(parts: frozenset[str]) -> dict[str, str]:
    """Return the values that are measured on a problem with these parts: name to goal (`gold`, `max` or `min`).

    With gold models there is `NAME_gap`, the distance |value - gold mean| of each, and `accuracy_gap`, the mean of
    these distances over the accuracies.
    """
    goals: dict[str, str] = {name: metric.goal for name, metric in QUICK.items() if metric.needs <= parts}
    if "gold" not in parts:
        return goals
    return {**goals, **dict.fromkeys([f"{name}_gap" for name in goals], "min"), ACCURACY_GAP: "min"}


def keep(text: str, parts: frozenset[str]) -> Keep:
    """Return what `best:METRIC`, `min:METRIC` or `max:METRIC` asks for.

    Raises:
        ConfigurationError: the text is not of that form, the metric is not measured, or its best value is gold's
            and there is no gold.
    """
    direction, colon, name = text.partition(":")
    if not colon or direction not in ("best", "min", "max"):
        raise ConfigurationError(f"--keep {text}: expected best:METRIC, min:METRIC or max:METRIC")
    goals = watched(parts)
    if name not in goals:
        gap = name == ACCURACY_GAP or name.removesuffix("_gap") in goals
        hint = "; it needs gold models: give --gold" if gap else nearest(name, goals)
        raise ConfigurationError(f"--keep {text}: '{name}' is not measured while unlearning{hint}")
    if direction != "best":
        return Keep(name, 1 if direction == "max" else -1)
    if goals[name] != "gold":
        return Keep(name, 1 if goals[name] == "max" else -1)
    if "gold" not in parts:
        raise ConfigurationError(
            f"--keep {text}: the best {name} is that of a model retrained without the forget set; "
            f"give one with --gold, or say --keep min:{name} or --keep max:{name}"
        )
    return Keep(f"{name}_gap", -1)


def watcher(problem: Problem, run: Run) -> Watch:
    """Return the measurement: model -> values by name, from forward passes over at most 2,000 examples of each set."""
    as_classification(problem.task, "--evaluate-every")
    everything: dict[SetName, Examples | None] = {
        "forget": problem.forget, "retain": problem.retain, "holdout": problem.holdout
    }  # fmt: skip
    sets: dict[SetName, Examples] = {
        name: examples.sample(SAMPLE, run.generator("watched", name))
        for name, examples in everything.items()
        if examples is not None
    }
    # A run of its own: what is spent on watching is no cost of the method, and shows no bar.
    aside = Run(device=run.device)
    quick = {name: metric for name, metric in QUICK.items() if metric.needs <= problem.parts}

    def measure(model: nn.Module) -> dict[str, float]:
        rows = Rows({name: _rows(model, problem, examples, aside) for name, examples in sets.items()}, _NO_HEAD, {})
        return {name: metric(rows, References(rows)).value for name, metric in quick.items()}

    golds = [measure(models.copied(gold).to(run.device)) for gold in problem.gold]
    target = {name: sum(gold[name] for gold in golds) / len(golds) for name in quick} if golds else {}

    def watch(model: nn.Module) -> dict[str, float]:
        values = measure(model)
        gaps = {f"{name}_gap": abs(values[name] - target[name]) for name in target}
        accuracies = [gap for name, gap in gaps.items() if name.endswith("accuracy_gap")]
        mean = {ACCURACY_GAP: sum(accuracies) / len(accuracies)} if accuracies else {}
        return {**values, **gaps, **mean}

    return watch


_NO_HEAD = (torch.empty(0), None)


def _rows(model: nn.Module, problem: Problem, examples: Examples, run: Run) -> SetRows:
    logits = example_outputs(model, problem.task, examples, run).float()
    labels = examples.tensor(as_classification(problem.task, "--evaluate-every").label)
    return SetRows(examples.ids, labels, logits, torch.empty(len(examples), 0))
