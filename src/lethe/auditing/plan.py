"""Audit: measure and attack a model, set it beside the original and gold models, and say what that proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from lethe import adapters
from lethe.auditing.attacks.base import Attack
from lethe.auditing.auditor import Auditor
from lethe.auditing.evidence import Evidence
from lethe.auditing.groups import check_column
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Metric
from lethe.auditing.policy import Policy
from lethe.auditing.retraining import with_gold, with_shadows
from lethe.auditing.selection import named
from lethe.errors import ConfigurationError
from lethe.models import check_finite, copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Classification, Regression, device_of


@dataclass(frozen=True)
class Audit:
    """Which metrics and attacks to run, and how carefully.

    Args:
        metrics: the metrics to compute; None for every one of the catalogue.
        attacks: the attacks to carry out; None for every one of the catalogue.
        policy: what decides the verdict, and how far from gold the model may lie.
        golds: gold models to retrain where the problem has none but can retrain.
        shadows: shadow models, trained on everything, to train where no further originals are given and the problem
            can retrain; U-LiRA reads them.
        resamples: bootstrap samples of the examples for confidence intervals; 0 leaves that uncertainty out.
        texts: most examples of a set of text that are measured, a random sample of larger sets.
        new_tokens: most tokens a language model may say to a prompt.
        groups: column of the data (text or whole numbers) by whose values the metrics are computed as well; the most
            memorised examples are a group in any case.
        folder: where to keep what was measured, so that an interrupted audit goes on; None keeps it in memory.
    """

    metrics: tuple[Metric, ...] | None = None
    attacks: tuple[Attack, ...] | None = None
    policy: Policy = field(default_factory=Policy)
    golds: int = 3
    shadows: int = 0
    resamples: int = 200
    texts: int = 400
    new_tokens: int = 100
    groups: str = ""
    folder: Path | None = None

    def __call__(
        self,
        problem: Problem,
        model: nn.Module,
        *,
        name: str = "unlearned",
        method: Mapping[str, Any] | None = None,
        cost: Mapping[str, float] | None = None,
        retrain_seconds: float | None = None,
        originals: Sequence[nn.Module] = (),
        siblings: Sequence[nn.Module] = (),
        run: Run | None = None,
    ) -> Evidence:
        """Return the evidence on one model.

        Args:
            problem: what was to be forgotten, with the original and, if possible, gold models.
            model: the model said to have forgotten it.
            name: what tables and reports call it.
            method: how it was made, as plain data.
            cost: what that took: `seconds`, as in a record's `cost`.
            retrain_seconds: what retraining takes, to set the cost beside; None where nobody measured it.
            originals: further models trained on everything, from other seeds.
            siblings: further models unlearned in the same way, from other seeds.
            run: seed, device and progress; None works with seed 0 where the original lies, and shows nothing.

        Raises:
            InputError: the data or a model are wrong, or the model's outputs are not finite.
            ConfigurationError: the task is one nothing is measured of, or an option is out of range.
        """
        auditor = self.on(problem, originals=originals, run=run)
        return auditor(model, name=name, method=method, cost=cost, retrain_seconds=retrain_seconds, siblings=siblings)

    def on(self, problem: Problem, *, originals: Sequence[nn.Module] = (), run: Run | None = None) -> Auditor:
        """Return an auditor for several models of one problem, which measures original and gold models only once.

        The arguments are those of the call; missing gold models are trained here.
        """
        self._check()
        golds = tuple(adapters.unwrapped(gold) for gold in problem.gold)
        problem = replace(problem, model=adapters.unwrapped(problem.model), gold=golds)
        problem.check()
        run = run or Run(device=device_of(problem.model))
        task = problem.task
        if not isinstance(task, (Classification, CausalLM, Regression)):
            raise ConfigurationError(f"nothing is measured of a {type(task).__name__}; audit another problem")
        if self.groups:
            check_column(problem.forget, self.groups)
        metrics, attacks = named("metric", self.metrics, task), named("attack", self.attacks, task)
        problem, seconds = with_gold(problem, self.golds, run)
        if device_of(problem.model) != run.device:
            problem = replace(problem, model=copied(problem.model).to(run.device))
        for i, gold in enumerate(problem.gold, start=1):
            check_finite(gold, f"gold model {i}")
        return Auditor(
            problem=problem,
            task=task,
            metrics=metrics,
            attacks=attacks,
            policy=self.policy,
            run=run,
            known=Measurements(self.folder),
            originals=with_shadows([adapters.unwrapped(one) for one in originals], problem, self.shadows, run),
            resamples=self.resamples,
            texts=self.texts,
            new_tokens=self.new_tokens,
            groups=self.groups,
            retrain_seconds=seconds,
        )

    def many(
        self,
        problem: Problem,
        models: Mapping[str, nn.Module],
        *,
        originals: Sequence[nn.Module] = (),
        run: Run | None = None,
    ) -> list[Evidence]:
        """Return the evidence on each of several models, given by name, of one problem."""
        auditor = self.on(problem, originals=originals, run=run)
        return [auditor(model, name=name) for name, model in models.items()]

    def _check(self) -> None:
        for option, value in (("texts", self.texts), ("new_tokens", self.new_tokens)):
            if value < 1:
                raise ConfigurationError(f"{option} must be at least 1, not {value}")
        for option, value in (("golds", self.golds), ("shadows", self.shadows), ("resamples", self.resamples)):
            if value < 0:
                raise ConfigurationError(f"{option} must not be negative, not {value}")


def audit(
    problem: Problem,
    model: nn.Module,
    *,
    metrics: tuple[Metric, ...] | None = None,
    attacks: tuple[Attack, ...] | None = None,
    **circumstances: Any,
) -> Evidence:
    """Measure and attack a model and return the evidence, with every metric and attack of the catalogue by default.

    Args:
        problem: what was to be forgotten, with the original and, if possible, gold models.
        model: the model said to have forgotten it.
        metrics: the metrics to compute; None for all.
        attacks: the attacks to carry out; None for all.
        circumstances: name, method, cost, retrain_seconds, originals, siblings and run, as `Audit` takes them.
    """
    return Audit(metrics=metrics, attacks=attacks)(problem, model, **circumstances)
