"""What every metric and every attack promises."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lethe.api import unlearn
from lethe.auditing.attacks.base import Attack
from lethe.auditing.measure import measure
from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.measure_values import measure_values
from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.errors import ConfigurationError, LetheError
from lethe.examples import concatenate
from lethe.methods.baselines.finetune import FineTune
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Regression, as_classification
from lethe.testing.parts import check_declared
from lethe.testing.require import disturbed, name_of, require, require_unchanged, state_of, stripped

GOLD = {"gold": 1, "two golds": 2}


def check_metric(metric: Metric, problem: Problem) -> None:
    """Check that a metric reads no more than it says it needs, gives one finite value, and repeats itself.

    Args:
        metric: the metric with its settings.
        problem: a problem with retain, holdout, two gold models and a way to retrain: `tiny_problem()`, or
            `tiny_language_problem()` for a metric of language models.

    Raises:
        AssertionError: a promise is broken; the line names the metric and the promise.
    """
    check_declared(metric)
    who = name_of(metric)
    require(bool(getattr(metric, "title", "")), f"{who} has no title for tables")
    rows, against = _measured(metric, problem)
    before = [value.clone() for value in _tensors(rows)]
    scores: list[Score] = []
    for disturbance in (1, 2):
        with disturbed(disturbance):
            try:
                scores.append(metric(rows, against, seed=0))
            except LetheError as refusal:
                require(not scores, f"{who} refuses the second time what it scored before: {refusal}")
                return
            except KeyError as error:
                raise AssertionError(f"{who} reads {error}, which its needs {sorted(metric.needs)} lack") from error
    unchanged = all(torch.equal(old, new) for old, new in zip(before, _tensors(rows), strict=True))
    require(unchanged, f"{who} changes the measurements that the next metric reads; work on copies")
    require(math.isfinite(scores[0].value), f"{who} gives {scores[0].value}; refuse what cannot be measured")
    written = [_written(who, score.value, dict(score.details)) for score in scores]
    require(written[0] == written[1], f"{who} gives {scores[1].value} after {scores[0].value}; draw from the seed")


def check_attack(attack: Attack, problem: Problem) -> None:
    """Check that an attack leaves model and problem as they are, and brings back the same the second time.

    Args:
        attack: the attack with its settings; small ones, for it runs twice.
        problem: a problem of the kind it attacks, with all it needs: `tiny_problem()`.

    Raises:
        AssertionError: a promise is broken; the line names the attack and the promise.
    """
    check_declared(attack)
    who = name_of(attack)
    require(bool(getattr(attack, "title", "")), f"{who} has no title for tables")
    problem = stripped(problem, attack.needs)
    model, before = copied(problem.model), state_of(problem)
    scores: list[Score] = []
    for disturbance in (1, 2):
        with disturbed(disturbance):
            try:
                scores.append(attack(model, problem, Run(seed=0)))
            except ConfigurationError as error:
                raise AssertionError(f"{who} reads more than its needs {sorted(attack.needs)}: {error}") from None
    require_unchanged(problem, before, who)
    require_unchanged(dataclasses.replace(problem, model=model), before, who)
    require(math.isfinite(scores[0].value), f"{who} gives {scores[0].value}; report the limit where it gave up")
    # What it cost is measured in seconds, which differ.
    written = [_written(who, score.value, score.details.get("curve")) for score in scores]
    require(written[0] == written[1], f"{who} gives {scores[1].value} after {scores[0].value}; draw from the run")
    _written(who, scores[0].value, dict(scores[0].details))


def _written(who: str, *score: object) -> str:
    """Return a score as JSON; raises AssertionError where evidence could not hold it."""
    try:
        return json.dumps(score, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the score of {who} cannot be written as JSON: {error}") from None


def _measured(metric: Metric, problem: Problem) -> tuple[Rows, References]:
    """Return the measurements of a fine-tuned model and of its references, with no more than the metric needs."""
    named = {"forget": problem.forget, "retain": problem.kept, "holdout": problem.holdout}
    sets = {n: e for n, e in named.items() if e is not None and (n == "forget" or n in metric.needs)}
    task = problem.task
    who = name_of(metric)
    require(isinstance(task, metric.tasks), f"{who} is tried on a {type(task).__name__}, which is none of its tasks")

    def read(model: nn.Module) -> Rows:
        if isinstance(task, CausalLM):
            generated = frozenset({"forget", "retain"}) if "generation" in metric.needs else frozenset[str]()
            marked = frozenset({"forget", "holdout"}) if "moments" in metric.needs else frozenset[str]()
            return measure_text(model, task, sets, Run(), Asked(marked, generated, 12, units="units" in metric.needs))
        if isinstance(task, Regression):
            return measure_values(model, task, sets, Run(), units="units" in metric.needs)
        classification = as_classification(task, who)
        activations, units = "activations" in metric.needs, "units" in metric.needs
        return measure(model, classification, sets, Run(), activations, units=units)

    def tuned(seed: int) -> Rows:
        return read(unlearn(problem, FineTune(epochs=1), seed=seed).model)

    def original(seed: int) -> Rows:
        assert problem.retrain is not None
        return read(problem.retrain(concatenate(problem.kept, problem.forget), seed))

    golds = max((GOLD.get(need, 0) for need in metric.needs), default=0)
    return tuned(0), References(
        original=read(problem.model),
        gold=tuple(read(gold) for gold in problem.gold[:golds]),
        originals=tuple(original(seed) for seed in (1, 2)) if "originals" in metric.needs else (),
        siblings=tuple(tuned(seed) for seed in (1, 2)) if "siblings" in metric.needs else (),
    )


def _tensors(rows: Rows) -> Iterator[Tensor]:
    for examples in rows.sets.values():
        yield from (examples.labels, examples.logits, examples.features, *examples.activations.values())
    for texts in rows.texts.values():
        yield from (texts.log.log_probs, texts.log.greedy, texts.right, texts.wrong, texts.recall)
    for values in rows.values.values():
        yield from (values.targets, values.predictions, values.losses)
    yield from rows.weights.values()
