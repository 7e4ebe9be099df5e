"""Auditor: audits models of one problem; the original and the gold models are measured and attacked once for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from torch import nn

from lethe import adapters
from lethe.auditing import checks
from lethe.auditing.attacking import Attacker
from lethe.auditing.attacks.base import Attack
from lethe.auditing.average_gap import average_gap
from lethe.auditing.evidence import Caution, Entry, Evidence
from lethe.auditing.groups import on_groups
from lethe.auditing.leaks import gold_that_saw_some
from lethe.auditing.measure import Measurements, measure
from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.measure_values import measure_values
from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.policy import Policy
from lethe.auditing.references import gold_that_saw, overlaps, structures, weights_alike
from lethe.auditing.scoring import Panel, Scores, entry, lacking, metric_seed, require_numbers
from lethe.auditing.settings import of_parts
from lethe.auditing.verdict import verdict
from lethe.errors import LetheError
from lethe.examples import Examples
from lethe.models import check_finite, copied, fingerprint
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Classification, Regression, device_of
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
        groups: column of the data by whose values the metrics are computed as well.
        retrain_seconds: what one gold model took, None where it was given.
    """

    problem: Problem
    task: Classification | CausalLM | Regression
    metrics: Sequence[tuple[str, Metric]]
    attacks: Sequence[tuple[str, Attack]]
    run: Run
    known: Measurements
    originals: Sequence[nn.Module] = ()
    policy: Policy = field(default_factory=Policy)
    resamples: int = 200
    texts: int = 400
    new_tokens: int = 100
    groups: str = ""
    retrain_seconds: float | None = None
    _scores: dict[tuple[str, ...], Scores] = field(default_factory=dict)

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
        model, siblings = adapters.unwrapped(model), [adapters.unwrapped(one) for one in siblings]
        check_finite(model, f"model '{name}'")
        own, original = fingerprint(model), fingerprint(self.problem.model)
        # A gold model that is audited itself is no reference of its own; one that was given twice counts once.
        golds = {key: gold for gold in self.problem.gold if (key := fingerprint(gold)) != own}
        metrics, skipped = self._compute(model, golds, siblings)
        beside = self._references(golds)
        groups, left = on_groups(
            self.metrics, self._sets(), self._rows(model), beside, self.run, self.policy, self.groups
        )
        attacks, failed = self._attacker(model, golds)
        warnings = self._warnings(model, golds)
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
            skipped=tuple(skipped + failed + left),
            average_gap=average_gap(metrics),
            verdict=verdict(
                metrics,
                attacks,
                self.policy,
                skipped=skipped + failed + left,
                cautions=warnings,
                groups=groups,
                unchanged=own == original,
            ),
            policy=self.policy.to_dict(),
            warnings=tuple(warnings),
            groups=tuple(groups),
            settings=self._settings(),
            checks=self._checks(model, golds),
        )

    def outline(self, siblings: int = 0) -> str:
        """Return in one line what an audit of one model will do."""
        golds, more = len(self.problem.gold), len(self.originals) + siblings
        models = [
            "unlearned",
            "original",
            *([f"{golds} gold"] if golds else []),
            *([f"{more} further"] if more else []),
        ]
        return (
            f"{2 + golds + more} models ({', '.join(models)}) x {len(self.metrics)} metrics, and {len(self.attacks)} "
            f"attacks on {2 + golds} of them"
        )

    @cached_property
    def _attacker(self) -> Attacker:
        return Attacker(self.problem, self.attacks, self.run, self.known, self.policy)

    def _named(self, golds: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """Return gold models by what messages call them, in the order they were given."""
        given = [fingerprint(gold) for gold in self.problem.gold]
        return {f"gold {given.index(key) + 1}": gold for key, gold in golds.items()}

    def _warnings(self, model: nn.Module, golds: Mapping[str, nn.Module]) -> list[Caution]:
        given = [fingerprint(gold) for gold in self.problem.gold]
        rows = {name: self._rows(gold) for name, gold in self._named(golds).items()}
        original = self.problem.model
        found = [
            *weights_alike(fingerprint(model), fingerprint(original), given),
            *structures(original, {"unlearned": model, **self._named(golds)}),
            *overlaps(self.task, self._sets()),
        ]
        # Of what one finds wrong with a gold model already, the next says nothing new.
        for look in (gold_that_saw, gold_that_saw_some):
            invalid = {caution.about for caution in found if caution.invalidates}
            found += [caution for caution in look(self._rows(original), rows) if caution.about not in invalid]
        return found

    def _checks(self, model: nn.Module, golds: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return what `lethe verify` measures again."""
        models = {"unlearned": model, "original": self.problem.model, **self._named(golds)}
        rows = {name: self._rows(one) for name, one in models.items()}
        ids = checks.sampled(rows["original"], self.run)
        return {"rows": ids, "values": {name: checks.values(one, ids) for name, one in rows.items()}}

    def _settings(self) -> dict[str, Any]:
        return {
            "metrics": of_parts(self.metrics),
            "attacks": of_parts(self.attacks),
            "seed": self.run.seed,
            "resamples": self.resamples,
            "texts": self.texts,
            "new_tokens": self.new_tokens,
            "groups": self.groups,
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
        if isinstance(self.task, Regression):
            return measure_values(moved, self.task, self._sets(), self.run, self.known, "units" in needed)
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
        references = self._references(golds)
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

    def _references(self, golds: Mapping[str, nn.Module]) -> References:
        return References(
            original=self._rows(self.problem.model),
            gold=tuple(self._rows(gold) for gold in golds.values()),
            originals=tuple(self._rows(one) for one in self.originals),
        )

    def _others(self, name: str, metric: Metric, panel: Panel, golds: Mapping[str, nn.Module], seed: int) -> Scores:
        """Return the metric of the original and of gold, computed once for all audited models."""
        if (name, *golds) not in self._scores:
            self._scores[name, *golds] = panel.scores(metric, seed)
        return self._scores[name, *golds]


def _cost(cost: Mapping[str, float] | None, retrain_seconds: float | None) -> dict[str, float | None] | None:
    if cost is None:
        return None
    relative = cost["seconds"] / retrain_seconds if retrain_seconds else None
    return {"seconds": cost["seconds"], "retrain_seconds": retrain_seconds, "relative": relative}
