"""Auditor: audits models of one problem; the original and the gold models are measured and attacked once for all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from lethe.auditing.attacks.base import Attack
from lethe.auditing.average_gap import average_gap
from lethe.auditing.evidence import Entry, Evidence
from lethe.auditing.measure import Measurements, measure
from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.policy import Policy
from lethe.auditing.scoring import Panel, Scores, entry, lacking, metric_seed, require_numbers
from lethe.auditing.settings import of_parts
from lethe.auditing.verdict import verdict
from lethe.errors import LetheError
from lethe.examples import Examples
from lethe.models import check_finite, copied, fingerprint
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Classification, device_of
from lethe.versions import versions

Skipped = list[dict[str, str]]


@dataclass(eq=False)
class Auditor:
    """Audits one model after the other; made by `Audit.on`.

    Args:
        problem: the problem, with its gold models; checked.
        task: its task.
        metrics: what to compute, by name.
        attacks: what to try, by name.
        run: seed, device and progress.
        known: where measurements are kept.
        originals: further models trained on everything.
        policy: what decides, and how far from gold it may lie.
        resamples: bootstrap samples for confidence intervals.
        texts: most examples of a set of text that are measured.
        new_tokens: most tokens a language model may say to a prompt.
        retrain_seconds: what one gold model took, None where it was given.
    """

    problem: Problem
    task: Classification | CausalLM
    metrics: Sequence[tuple[str, Metric]]
    attacks: Sequence[tuple[str, Attack]]
    run: Run
    known: Measurements
    originals: Sequence[nn.Module] = ()
    policy: Policy = field(default_factory=Policy)
    resamples: int = 200
    texts: int = 400
    new_tokens: int = 100
    retrain_seconds: float | None = None
    _scores: dict[tuple[str, ...], Scores] = field(default_factory=dict)
    _attacked: dict[tuple[str, str], Score] = field(default_factory=dict)

    def __call__(
        self,
        model: nn.Module,
        *,
        name: str = "unlearned",
        method: Mapping[str, Any] | None = None,
        cost: Mapping[str, float] | None = None,
        retrain_seconds: float | None = None,
        siblings: Sequence[nn.Module] = (),
    ) -> Evidence:
        """Return the evidence on one model; the arguments are those of `Audit`."""
        check_finite(model, f"model '{name}'")
        own, original = fingerprint(model), fingerprint(self.problem.model)
        # A gold model that is audited itself is no reference of its own; one that was given twice counts once.
        golds = {key: gold for gold in self.problem.gold if (key := fingerprint(gold)) != own}
        metrics, skipped = self._compute(model, golds, siblings)
        attacks, failed = self._attack(model, golds)
        seconds = retrain_seconds if retrain_seconds is not None else self.retrain_seconds
        return Evidence(
            subject={"name": name, "method": dict(method) if method is not None else None},
            models={"unlearned": own, "original": original, "gold": list(golds)},
            data={part: data.fingerprint if data is not None else None for part, data in self._parts().items()},
            counts={part: len(data) for part, data in self._sets().items()},
            versions=versions(),
            cost=_cost(cost, seconds),
            metrics=tuple(metrics),
            attacks=tuple(attacks),
            skipped=tuple(skipped + failed),
            average_gap=average_gap(metrics),
            verdict=verdict(metrics, attacks, self.policy, skipped=skipped + failed, unchanged=own == original),
            policy=self.policy.to_dict(),
            settings=self._settings(),
        )

    def _settings(self) -> dict[str, Any]:
        return {
            "metrics": of_parts(self.metrics),
            "attacks": of_parts(self.attacks),
            "seed": self.run.seed,
            "resamples": self.resamples,
            "texts": self.texts,
            "new_tokens": self.new_tokens,
        }

    def _parts(self) -> dict[str, Examples | None]:
        return {"forget": self.problem.forget, "retain": self.problem.retain, "holdout": self.problem.holdout}

    def _sets(self) -> dict[str, Examples]:
        return {part: examples for part, examples in self._parts().items() if examples is not None}

    def _rows(self, model: nn.Module) -> Rows:
        needed = frozenset[str]().union(*(metric.needs for _, metric in self.metrics))
        moved = model if device_of(model) == self.run.device else copied(model).to(self.run.device)
        if isinstance(self.task, Classification):
            layers, units = "activations" in needed, "units" in needed
            return measure(moved, self.task, self._sets(), self.run, layers, self.known, units)
        sets = {
            name: examples.sample(self.texts, self.run.generator("measured", name))
            for name, examples in self._sets().items()
        }
        answered = frozenset({"forget", "retain"}) if "generation" in needed else frozenset[str]()
        marked = frozenset({"forget", "holdout"}) if "moments" in needed else frozenset[str]()
        asked = Asked(marked, answered, self.new_tokens, units="units" in needed)
        return measure_text(moved, self.task, sets, self.run, asked, self.known)

    def _compute(
        self, model: nn.Module, golds: Mapping[str, nn.Module], siblings: Sequence[nn.Module]
    ) -> tuple[list[Entry], Skipped]:
        subject = self._rows(model)
        references = References(
            original=self._rows(self.problem.model),
            gold=tuple(self._rows(gold) for gold in golds.values()),
            originals=tuple(self._rows(one) for one in self.originals),
        )
        beside = replace(references, siblings=tuple(self._rows(one) for one in siblings))
        panel, seed = Panel(references), metric_seed(self.run)
        found: list[tuple[str, Metric, Score, Scores]] = []
        skipped: Skipped = []
        with self.run.progress.bar("scoring", len(self.metrics)) as bar:
            for name, metric in self.metrics:
                reason = lacking(metric, beside)
                try:
                    if reason is None:
                        own, others = metric(subject, beside, seed), self._others(name, metric, panel, golds, seed)
                        require_numbers(metric, own, others)
                        found.append((name, metric, own, others))
                except LetheError as error:
                    reason = str(error)
                if reason is not None:
                    skipped.append({"name": name, "reason": reason})
                bar.advance()
        resampled = panel.gaps(subject, beside, [(n, m) for n, m, *_ in found if m.resample], self.resamples, self.run)
        count = subject.counts["forget"]
        entries = [
            entry(name, metric, own, others, metric.resolution(subject), resampled.get(name), self.policy, count)
            for name, metric, own, others in found
        ]
        return entries, skipped

    def _others(self, name: str, metric: Metric, panel: Panel, golds: Mapping[str, nn.Module], seed: int) -> Scores:
        """Return the metric of the original and of gold, computed once for all audited models."""
        if (name, *golds) not in self._scores:
            self._scores[name, *golds] = panel.scores(metric, seed)
        return self._scores[name, *golds]

    def _attack(self, model: nn.Module, golds: Mapping[str, nn.Module]) -> tuple[list[Entry], Skipped]:
        entries: list[Entry] = []
        skipped: Skipped = []
        for name, attack in self.attacks:
            try:
                self.problem.require(attack.needs, attack.title)
                own, original = self._after(name, attack, model), self._after(name, attack, self.problem.model)
                others = Scores(original, tuple(self._after(name, attack, gold) for gold in golds.values()))
                require_numbers(attack, own, others)
                resolution, count = attack.resolution(self.problem), len(self.problem.forget)
                entries.append(entry(name, attack, own, others, resolution, None, self.policy, count))
            except LetheError as error:
                skipped.append({"name": name, "reason": str(error)})
        return entries, skipped

    def _after(self, name: str, attack: Attack, model: nn.Module) -> Score:
        """Return the score of one attack on one model, carried out once."""
        key = (name, fingerprint(model))
        if key not in self._attacked:
            self._attacked[key] = attack(model, self.problem, self.run)
        return self._attacked[key]


def with_gold(problem: Problem, count: int, run: Run) -> tuple[Problem, float | None]:
    """Return the problem with gold models, and the seconds one took.

    Those given are taken as they are (None seconds); where there are none and the problem can retrain, `count` are
    trained on the retain set, with seeds 1, 2, 3 …
    """
    if problem.gold or problem.retrain is None or problem.retain is None or count == 0:
        return problem, None
    start, golds = time.perf_counter(), []
    with run.progress.bar("retraining gold models", count) as bar:
        for seed in range(1, count + 1):
            run.interrupt_point()
            golds.append(problem.retrain(problem.retain, seed))
            bar.advance()
    return replace(problem, gold=tuple(golds)), (time.perf_counter() - start) / count


def _cost(cost: Mapping[str, float] | None, retrain_seconds: float | None) -> dict[str, float | None] | None:
    if cost is None:
        return None
    relative = cost["seconds"] / retrain_seconds if retrain_seconds else None
    return {"seconds": cost["seconds"], "retrain_seconds": retrain_seconds, "relative": relative}
