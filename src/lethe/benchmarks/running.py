"""Running TOFU: what is missing is prepared, every method unlearns once a seed, and each model is evaluated once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from lethe.api import unlearn
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Rows
from lethe.benchmarks.preparation import dress, trained
from lethe.benchmarks.results import Measured, Results
from lethe.benchmarks.tofu import Tofu, write_rows
from lethe.errors import ConfigurationError
from lethe.examples import Examples, concatenate
from lethe.methods.base import Method, settings
from lethe.models import copied
from lethe.problem import Problem
from lethe.progress import Progress, Silent
from lethe.run import Run, Stop
from lethe.sources import Inputs, assemble, load_like, settled
from lethe.sources.kinds import kind_of
from lethe.store import RunFolder, atomic, write_json
from lethe.tasks import CausalLM, as_causal_lm

TARGET, GOLD, RUNS, DATA, MEASUREMENTS = "target", "gold", "runs", "data", "measurements"
SEEDS = {TARGET: 0, GOLD: 1}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A run of TOFU.

    Args:
        tofu: the benchmark with its settings.
        model: folder or hub name of the model before it learnt the authors; may be left out with target and gold.
        data: folder with TOFU's files, or the data set's name on the hub.
        out: folder of everything that is made.
        methods: by name, what unlearns.
        seeds: of the runs, one run a method and seed.
        target: a model that was fine-tuned on all authors; empty makes one.
        gold: models that were fine-tuned on the retain split; none makes one.
        template: how question and answer become text; empty chooses by tokenizer.
        device: where the models work.
        progress: who is shown how far it is.
        stop: a request to stop.
    """

    tofu: Tofu
    model: str
    data: str
    out: Path
    methods: Mapping[str, Method] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    target: str = ""
    gold: str = ""
    template: str = ""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Progress = field(default_factory=Silent)
    stop: Stop = field(default_factory=Stop)

    def __call__(self) -> Results:
        """Do what is not done yet, write results.json and results.csv, and return them.

        Raises:
            InputError: the data or a model are wrong.
            ConfigurationError: an option is, or a method does not fit.
            StorageError: the folder is in use, or holds runs of other settings.
            Diverged: a run stopped at a number that is not finite.
        """
        if not self.model and not (self.target and self.gold):
            raise ConfigurationError(
                "give --model, the model before it learnt the authors, or both --target and --gold"
            )
        model = self.model or self.target
        if (kind := kind_of(model)) != "language model":
            raise ConfigurationError(f"{model}: is an {kind}, and TOFU needs a language model; give one")
        data = self.tofu.read(self.data)
        with RunFolder(self.out).owned():
            for name, rows in (("forget", data.forget), ("retain", data.retain)):
                write_rows(rows, name, self.out / DATA / f"{name}.jsonl")
            if "holdout" in data.tasks:
                write_rows(data.tasks["holdout"], "holdout", self.out / DATA / "holdout.jsonl")
            base = assemble(self._inputs(model))
            task = as_causal_lm(base.task, "TOFU")
            sets = self.tofu.tasks(data, task)
            results = self._results(base, task, sets)
            write_json(self.out / "results.json", results.to_json())
            atomic(self.out / "results.csv", results.to_csv().encode())
        return results

    def _results(self, base: Problem, task: CausalLM, sets: Mapping[str, Examples]) -> Results:
        known, measured = Measurements(self.out / MEASUREMENTS), list[Measured]()
        work = 2 + len(self.methods) * len(self.seeds)
        with self.progress.bar("models evaluated", work) as bar:
            everything = concatenate(base.kept, base.forget)
            gold, golden = self._prepared(GOLD, self.gold, base, task, base.kept)
            gold_rows = self._measured(golden, task, sets, known)
            target, original = self._prepared(TARGET, self.target, base, task, everything)
            for name, folder, model in ((TARGET, target, original), (GOLD, gold, golden)):
                rows = gold_rows if name == GOLD else self._measured(model, task, sets, known)
                measured.append(
                    Measured(name, SEEDS[name], folder, self.tofu.values(rows, gold_rows), _seconds(folder))
                )
                bar.advance()
            inputs = settled(dataclasses.replace(self._inputs(target), gold=(gold,)), base)
            problem = dataclasses.replace(base, model=original)
            for name, method in self.methods.items():
                for seed in self.seeds:
                    out = self.out / RUNS / f"{name}-{seed}"
                    run = self._run(seed)
                    run.inputs = inputs.as_dict()
                    result = unlearn(problem, method, out=out, run=run)
                    dress(out, target)
                    rows = self._measured(result.model, task, sets, known)
                    values = self.tofu.values(rows, gold_rows)
                    measured.append(Measured(name, seed, str(out), values, result.record["cost"]["seconds"]))
                    bar.advance()
        facts = {"name": "tofu", "settings": settings(self.tofu)}
        return Results(facts, {name: len(examples) for name, examples in sets.items()}, measured)

    def _prepared(
        self, name: str, given: str, base: Problem, task: CausalLM, examples: Examples
    ) -> tuple[str, nn.Module]:
        """Return the folder and the model of the target or of gold: the one given, or one trained here."""
        if given:
            same = given == (self.model or self.target)
            return given, base.model if same else load_like(base, given, f"--{name}")
        out = self.out / name
        # Gold is another training run than the target, also in the order of its batches.
        run = self._run(SEEDS[name])
        model = trained(base.model, task, examples, self.tofu.recipe, run, out)
        dress(out, self.model)
        return str(out), model.cpu()

    def _measured(self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], known: Measurements) -> Rows:
        run = self._run(0)
        return self.tofu.measure(copied(model).to(self.device), task, sets, run, known)

    def _run(self, seed: int) -> Run:
        return Run(seed=seed, device=self.device, progress=self.progress, stop=self.stop)

    def _inputs(self, model: str) -> Inputs:
        files = {name: self.out / DATA / f"{name}.jsonl" for name in ("forget", "retain", "holdout")}
        return Inputs(
            model=model,
            forget=str(files["forget"]),
            retain=str(files["retain"]),
            holdout=str(files["holdout"]) if files["holdout"].exists() else None,
            template=self.template,
        ).absolute()


def _seconds(folder: str) -> float | None:
    """Return what the run in a folder took; None where there is no record of one."""
    record = RunFolder(Path(folder)).record()
    return None if record is None else float(record["cost"]["seconds"])
