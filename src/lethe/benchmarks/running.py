"""Running a benchmark: what is missing is prepared, every method unlearns once a seed, each model is evaluated once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lethe.api import Result, unlearn
from lethe.auditing.measure import Measurements
from lethe.benchmarks.base import Benchmark, BenchmarkData, Row, write_rows
from lethe.benchmarks.preparation import dress, trained
from lethe.benchmarks.results import Measured, Results
from lethe.catalogue import snake
from lethe.errors import ConfigurationError, InputError
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
    """A run of one benchmark.

    Args:
        benchmark: with its settings.
        model: folder or hub name of the model before it learnt what is to be forgotten; may be left out with
            a target. Where the benchmark trains nothing, the model that knows it already.
        data: folder with the benchmark's files, or the data set's name on the hub.
        out: folder of everything that is made.
        methods: by name, what unlearns.
        seeds: of the runs, one run a method and seed.
        target: a model that was fine-tuned on everything; empty makes one.
        gold: one that was fine-tuned on the retain rows alone; empty makes one from `model`.
        template: how prompt and answer become text; empty chooses by tokenizer.
        device: where the models work.
        progress: who is shown how far it is.
        stop: a request to stop.
    """

    benchmark: Benchmark
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
        model = self._start()
        if (kind := kind_of(model)) != "language model":
            raise ConfigurationError(
                f"{model}: is an {kind}, and {self.benchmark.title} needs a language model; give one"
            )
        data = self.benchmark.read(self.data)
        if not data.forget:
            raise InputError(f"{self.data}: holds no row to forget; restore the files, or raise limit")
        with RunFolder(self.out).owned():
            known = Measurements(self.out / MEASUREMENTS)
            self._write(data)
            base = assemble(self._inputs(model))
            task = as_causal_lm(base.task, self.benchmark.title)
            completed = self.benchmark.complete(
                data, copied(base.model).to(self.device), task, self._run(SEEDS[TARGET]), known
            )
            if completed is not data:
                self._write(data := completed)
                base = assemble(self._inputs(model))
                task = as_causal_lm(base.task, self.benchmark.title)
            results = self._results(base, task, data, known)
            write_json(self.out / "results.json", results.to_json())
            atomic(self.out / "results.csv", results.to_csv().encode())
        return results

    def _start(self) -> str:
        """Return the folder of the model to read first; raises ConfigurationError where one is missing."""
        if self.benchmark.trains and not self.model and not self.target:
            raise ConfigurationError(
                "give --model, the model before it learnt what is to be forgotten, or --target, one that has learnt it"
            )
        if not self.model and not self.target:
            raise ConfigurationError("give --model, the model that is to forget")
        return self.model or self.target

    def _results(self, base: Problem, task: CausalLM, data: BenchmarkData, known: Measurements) -> Results:
        measured, sets = list[Measured](), self.benchmark.tasks(data, task)
        trains = self.benchmark.trains
        # What the given model knew before it was corrupted is to come back: it is gold itself.
        given_gold = self.gold or (self.model if self.benchmark.corrupts else "")
        golds = 1 if given_gold or (trains and self.model) else 0
        count = 1 + golds + len(self.methods) * len(self.seeds) * max(1, len(data.requests))
        with self.progress.bar("models evaluated", count) as bar:
            kept, everything = self._lessons(base, data)
            gold, gold_rows = "", None
            if golds:
                gold, golden = self._prepared(GOLD, given_gold, base, task, kept)
                gold_rows = self._measured(golden, task, sets, known)
                bar.advance()
            # Where nothing is trained, the model that was given is the target.
            given = self.target or ("" if trains else self.model)
            target, original = self._prepared(TARGET, given, base, task, everything)
            target_rows = self._measured(original, task, sets, known)
            bar.advance()
            for name, folder, rows in ((TARGET, target, target_rows), (GOLD, gold, gold_rows)):
                if rows is not None:
                    values = self.benchmark.values(rows, target_rows, gold_rows)
                    measured.append(Measured(name, SEEDS[name], folder, values, _seconds(folder)))
            problem = dataclasses.replace(base, model=original)
            for name, seed in ((name, seed) for name in self.methods for seed in self.seeds):
                for label, out, result in self._unlearnt(name, seed, problem, target, gold, data):
                    rows = self._measured(result.model, task, sets, known)
                    values = self.benchmark.values(rows, target_rows, gold_rows)
                    measured.append(Measured(label, seed, str(out), values, result.record["cost"]["seconds"]))
                    bar.advance()
        facts = {"name": snake(type(self.benchmark).__name__), "settings": settings(self.benchmark)}
        return Results(facts, {name: len(examples) for name, examples in sets.items()}, measured)

    def _lessons(self, base: Problem, data: BenchmarkData) -> tuple[Examples, Examples]:
        """Return what gold is trained on, and what the target is; nothing where they are given."""
        nothing = base.forget.take([])
        if self.benchmark.corrupts:
            return nothing, base.forget
        if not self.benchmark.trains or (self.target and (self.gold or not self.model)):
            return nothing, nothing
        kept = base.kept
        if data.seen_retain:
            kept = concatenate(kept, self._further("seen-retain", data.seen_retain))
        everything = concatenate(kept, base.forget)
        if data.seen_forget:
            everything = concatenate(everything, self._further("seen-forget", data.seen_forget))
        return kept, everything

    def _further(self, name: str, rows: Sequence[Row]) -> Examples:
        """Return further rows as examples, under the data files' own names."""
        write_rows(rows, name, self._file(name))
        inputs = dataclasses.replace(self._inputs(self._start()), forget=str(self._file(name).absolute()))
        return assemble(dataclasses.replace(inputs, retain=None, holdout=None)).forget

    def _unlearnt(
        self, name: str, seed: int, problem: Problem, target: str, gold: str, data: BenchmarkData
    ) -> Iterator[tuple[str, Path, Result]]:
        """Yield what the table calls each run of a method, its folder, and its result."""
        out = self.out / RUNS / f"{name}-{seed}"
        if not data.requests:
            yield name, out, self._unlearn(name, seed, problem, self._inputs(target), gold, out, target)
            return
        for number, rows in enumerate(data.requests, 1):
            file = self._file(f"forget-{number}")
            write_rows(rows, f"forget-{number}", file)
            inputs = dataclasses.replace(self._inputs(target), forget=str(file.absolute()))
            asked = dataclasses.replace(assemble(inputs), model=problem.model)
            folder = out.with_name(f"{out.name}-{number}")
            result = self._unlearn(name, seed, asked, inputs, gold, folder, target)
            yield f"{name} {number}", folder, result
            if data.successive:
                problem, target = dataclasses.replace(problem, model=result.model.cpu()), str(folder)

    def _unlearn(
        self, name: str, seed: int, problem: Problem, inputs: Inputs, gold: str, out: Path, target: str
    ) -> Result:
        run = self._run(seed)
        run.inputs = settled(dataclasses.replace(inputs, gold=(gold,) if gold else ()), problem).as_dict()
        result = unlearn(problem, self.methods[name], out=out, run=run)
        dress(out, target)
        return result

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
        model = trained(base.model, task, examples, self.benchmark.recipe, run, out)
        dress(out, self.model)
        return str(out), model.cpu()

    def _measured(self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], known: Measurements) -> Any:
        return self.benchmark.measure(copied(model).to(self.device), task, sets, self._run(0), known)

    def _run(self, seed: int) -> Run:
        return Run(seed=seed, device=self.device, progress=self.progress, stop=self.stop)

    def _write(self, data: BenchmarkData) -> None:
        for name, rows in (("forget", data.forget), ("retain", data.retain), ("holdout", data.holdout)):
            if rows:
                write_rows(rows, name, self._file(name))

    def _file(self, name: str) -> Path:
        return self.out / DATA / f"{name}.jsonl"

    def _inputs(self, model: str) -> Inputs:
        forget, retain, holdout = (
            str(path) if (path := self._file(name)).exists() else None for name in ("forget", "retain", "holdout")
        )
        assert forget is not None
        given = Inputs(
            model=model,
            forget=forget,
            retain=retain,
            holdout=holdout,
            template=self.template or self.benchmark.template,
        )
        return given.absolute()


def _seconds(folder: str) -> float | None:
    """Return what the run in a folder took; None where there is no record of one."""
    record = RunFolder(Path(folder)).record()
    return None if record is None else float(record["cost"]["seconds"])
