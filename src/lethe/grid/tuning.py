"""Tuning: Optuna chooses hyperparameters on another forget set, with the same number of trials for every method."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lethe.errors import ConfigurationError
from lethe.grid.cells import Spec, plain
from lethe.grid.gaps import WORST
from lethe.grid.settings import Setting
from lethe.grid.space import Dimension, Range, space
from lethe.grid.working import Looking, TrialJob, work_trial
from lethe.pool import Local, Pool
from lethe.progress import Progress, Silent
from lethe.store import digest, read_json, write_json

TUNING, TRIALS = "tuning", "trials.json"
REFUSED = 50
"""Proposals that may be refused before one of them is tried all the same, and says why it fails."""

TOGETHER = 4
"""Trials that are proposed before the first of them is known: the same on any number of workers."""


@dataclass(frozen=True)
class Tuning:
    """The search for one method on one setting.

    Args:
        setting: where hyperparameters are chosen; not the one that is reported.
        spec: the method.
        trials: how many are tried; the first are the published defaults.
        looking: what is measured.
        out: folder of the grid.
    """

    setting: Setting
    spec: Spec
    trials: int
    looking: Looking
    out: Path

    @property
    def path(self) -> Path:
        """Where the trials are kept."""
        return self.out / TUNING / plain(self.setting.name) / plain(self.spec.label) / TRIALS

    def best(self, pool: Pool, progress: Progress) -> dict[str, str]:
        """Return the options of the trial with the smallest gap, the earliest of equals; trials that are kept count.

        A study that is asked again proposes what it proposed before, so that a search that was interrupted goes on as
        if it had not been.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        dimensions = space(self.spec)
        done = self._kept(dimensions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant_liar is experimental
            sampler = optuna.samplers.TPESampler(seed=0, constant_liar=True, n_startup_trials=max(4, self.trials // 4))
        study = optuna.create_study(sampler=sampler)
        tried: list[dict[str, Any]] = []
        with progress.bar(f"tuning {self.spec.label}", self.trials) as bar:
            while len(tried) < self.trials and (dimensions or not tried):
                count = min(TOGETHER, self.trials - len(tried)) if dimensions else 1
                asked = [None if not tried and i == 0 else self._asked(study, dimensions) for i in range(count)]
                options = [_options(one, dimensions) for one in asked]
                kept = dict(enumerate(done[len(tried) : len(tried) + count]))
                # A search of another length may have proposed something else.
                missing = [i for i in range(count) if i not in kept or kept[i]["options"] != options[i]]
                jobs = [self._job(options[i]) for i in missing]
                found = kept | dict(zip(missing, self._answers(pool, jobs), strict=True))
                for i in range(count):
                    tried.append({"options": options[i], **{k: found[i][k] for k in ("gap", "seconds", "said")}})
                    trial = asked[i]
                    if trial is not None:
                        study.tell(trial, found[i]["gap"])
                    bar.advance(1, gap=min(one["gap"] for one in tried))
                if missing:
                    write_json(self.path, {"search": self._key(dimensions), "trials": tried})
        return dict(min(tried, key=lambda one: one["gap"])["options"])

    def _asked(self, study: Any, dimensions: Mapping[str, Dimension]) -> Any:
        """Return the next trial; a proposal that the method refuses unseen, as out of range, is none."""
        for _ in range(REFUSED):
            trial = study.ask()
            try:
                self.spec.build(_options(trial, dimensions))
            except ConfigurationError:
                study.tell(trial, WORST)
            else:
                break
        return trial

    def _job(self, options: Mapping[str, str]) -> TrialJob:
        # Attacks cost more than the metrics, and the gap has none of them.
        looking = replace(self.looking, attacks=())
        return TrialJob(self.setting, self.spec, options, looking, self.out / "measurements")

    @staticmethod
    def _answers(pool: Pool, jobs: Sequence[TrialJob]) -> list[dict[str, Any]]:
        answers: dict[int, dict[str, Any]] = {}
        for place, answer in pool.each(work_trial, jobs):
            if isinstance(answer, Exception):
                raise answer
            answers[place] = answer
        return [answers[place] for place in range(len(jobs))]

    def _kept(self, dimensions: Mapping[str, Dimension]) -> list[dict[str, Any]]:
        """Return the trials of an earlier process with the same search."""
        if not self.path.exists():
            return []
        kept = read_json(self.path)
        return list(kept["trials"])[: self.trials] if kept.get("search") == self._key(dimensions) else []

    def _key(self, dimensions: Mapping[str, Dimension]) -> str:
        shown = {name: repr(one) for name, one in dimensions.items()}
        measured = [list(self.looking.metrics), {name: dict(one) for name, one in self.looking.options.items()}]
        return digest([self.setting.facts(), self.spec.slug, dict(self.spec.options), shown, measured])


def search(tuning: Tuning) -> dict[str, str]:
    """Return what a search finds that a worker does from end to end: the same as with its trials apart."""
    return tuning.best(Local(), Silent())


def _options(trial: Any, dimensions: Mapping[str, Dimension]) -> dict[str, str]:
    """Return what a trial proposes, as text; the first trial of all is that of the defaults."""
    if trial is None:
        return {}
    found: dict[str, str] = {}
    for name, one in dimensions.items():
        if not isinstance(one, Range):
            found[name] = trial.suggest_categorical(name, list(one.values))
        elif one.whole:
            found[name] = str(trial.suggest_int(name, int(one.low), int(one.high), log=one.log))
        else:
            found[name] = f"{trial.suggest_float(name, one.low, one.high, log=one.log):.6g}"
    return found
