"""Running a benchmark of images: target and references are trained, every method unlearns once a seed, all are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from lethe.api import unlearn
from lethe.auditing.measure import Measurements, measure
from lethe.auditing.metric import Rows
from lethe.benchmarks.images import ImageBenchmark, ImageData, Reader
from lethe.benchmarks.preparation import dress, trained
from lethe.benchmarks.results import Measured, Results
from lethe.catalogue import snake
from lethe.errors import ConfigurationError
from lethe.examples import concatenate
from lethe.methods.base import Method, settings
from lethe.models import copied
from lethe.problem import Problem
from lethe.progress import Progress, Silent
from lethe.run import Run, Stop
from lethe.sources.classifier import Classifier, load_classifier
from lethe.sources.image_problem import load_alike
from lethe.sources.kinds import kind_of
from lethe.store import RunFolder, atomic, write_json

TARGET, GOLD, RUNS, MEASUREMENTS = "target", "gold", "runs", "measurements"


@dataclass(frozen=True, kw_only=True)
class ImageBench:
    """A run of one benchmark of images.

    Args:
        benchmark: with its settings.
        model: folder or hub name of the classifier that everything is trained from; as its weights are.
        data: the benchmark's data.
        out: folder of everything that is made.
        methods: by name, what unlearns.
        seeds: of the runs, one run a method and seed.
        target: a model that was trained on everything; empty makes one.
        gold: one that was trained without what is to be forgotten; empty makes one.
        device: where the models work.
        progress: who is shown how far it is.
        stop: a request to stop.
    """

    benchmark: ImageBenchmark
    model: str
    data: str
    out: Path
    methods: Mapping[str, Method] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    target: str = ""
    gold: str = ""
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
        title = self.benchmark.title
        if not self.model:
            raise ConfigurationError(f"give --model, the image classifier that {title} trains from")
        if (kind := kind_of(self.model)) == "language model":
            raise ConfigurationError(f"{self.model}: is a {kind}, and {title} needs an image classifier; give one")
        classifier = load_classifier(self.model)
        data = self.benchmark.read(self.data, Reader(classifier, self.progress))
        with RunFolder(self.out).owned():
            write_json(self.out / "data.json", dict(data.facts))
            results = self._results(classifier, data)
            write_json(self.out / "results.json", results.to_json())
            atomic(self.out / "results.csv", results.to_csv().encode())
        return results

    def _results(self, classifier: Classifier, data: ImageData) -> Results:
        known, measured = Measurements(self.out / MEASUREMENTS), list[Measured]()
        everything = concatenate(data.retain, data.forget)
        problem = Problem(classifier.network, classifier.task, data.forget, data.retain)
        lessons = {TARGET: everything, **data.references}
        with self.progress.bar("models evaluated", len(lessons) + len(self.methods) * len(self.seeds)) as bar:
            original, target = classifier.network, None
            for number, (name, examples) in enumerate(lessons.items()):
                given = {TARGET: self.target, GOLD: self.gold}.get(name, "")
                folder, model = given, None
                if given:
                    model = load_alike(problem, given, f"--{name}")
                else:
                    # Each is another training run, also in the order of its batches.
                    out = self.out / name
                    run, folder = self._run(number), str(out)
                    model = trained(
                        classifier.network, classifier.task, examples, self.benchmark.recipe, run, out
                    ).cpu()
                    dress(out, self.model)
                rows = self._measured(model, classifier, data, known)
                if target is None:
                    original, target = model, rows
                record = RunFolder(Path(folder)).record() if not given else None
                seconds = None if record is None else float(record["cost"]["seconds"])
                measured.append(Measured(name, number, folder, self.benchmark.values(rows, target), seconds))
                bar.advance()
            assert target is not None
            problem = dataclasses.replace(problem, model=original)
            for name, seed in ((name, seed) for name in self.methods for seed in self.seeds):
                out = self.out / RUNS / f"{name}-{seed}"
                result = unlearn(problem, self.methods[name], out=out, run=self._run(seed))
                dress(out, self.model)
                rows = self._measured(result.model, classifier, data, known)
                seconds = result.record["cost"]["seconds"]
                measured.append(Measured(name, seed, str(out), self.benchmark.values(rows, target), seconds))
                bar.advance()
        facts = {"name": snake(type(self.benchmark).__name__), "settings": settings(self.benchmark)}
        return Results(facts, {name: len(examples) for name, examples in data.evaluated.items()}, measured)

    def _measured(self, model: nn.Module, classifier: Classifier, data: ImageData, known: Measurements) -> Rows:
        moved = copied(model).to(self.device)
        return measure(moved, classifier.task, data.evaluated, self._run(0), known=known)

    def _run(self, seed: int) -> Run:
        return Run(seed=seed, device=self.device, progress=self.progress, stop=self.stop)
