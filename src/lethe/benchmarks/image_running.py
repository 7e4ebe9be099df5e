"""Running a benchmark of images: target and references are trained, every method unlearns once a seed, all are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from lethe.api import Result, deterministic, on_device, unlearn
from lethe.auditing.measure import Measurements, measure
from lethe.auditing.metric import Rows
from lethe.benchmarks.images import ImageBenchmark, ImageData, Reader
from lethe.benchmarks.preparation import dress, trained
from lethe.benchmarks.results import Measured, Results
from lethe.catalogue import snake
from lethe.errors import ConfigurationError
from lethe.examples import Examples, concatenate
from lethe.methods.base import Method, settings
from lethe.models import copied
from lethe.problem import Problem
from lethe.progress import Progress, Silent
from lethe.run import Run, Stop
from lethe.sources.classifier import Classifier, load_classifier
from lethe.sources.image_problem import load_alike
from lethe.sources.kinds import kind_of
from lethe.store import RunFolder, atomic, write_json

TARGET, GOLD, RUNS, AHEAD, MEASUREMENTS = "target", "gold", "runs", "ahead", "measurements"


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
            ConfigurationError: an option is, or a method needs more than the benchmark gives it.
            StorageError: the folder is in use, or holds runs of other settings.
            Diverged: a run stopped at a number that is not finite.
        """
        title = self.benchmark.title
        if not self.model:
            raise ConfigurationError(f"give --model, the image classifier that {title} trains from")
        if (kind := kind_of(self.model)) == "language model":
            raise ConfigurationError(f"{self.model}: is a {kind}, and {title} needs an image classifier; give one")
        for name, method in self.methods.items():
            self.benchmark.refuse(name, method)
        classifier = load_classifier(self.model)
        data = self.benchmark.read(self.data, Reader(classifier, self.progress))
        with RunFolder(self.out).owned():
            write_json(self.out / "data.json", dict(data.facts))
            results = self._results(classifier, data)
            write_json(self.out / "results.json", results.to_json())
            atomic(self.out / "results.csv", results.to_csv().encode())
        return results

    def _results(self, classifier: Classifier, data: ImageData) -> Results:
        known, twin = Measurements(self.out / MEASUREMENTS), self.benchmark.twin
        runs = [(name, seed) for name in self.methods for seed in self.seeds]
        with self.progress.bar("models evaluated", 1 + len(data.references) + len(runs)) as bar:
            models, made = dict[str, nn.Module](), list[_Made]()
            # Each is another training run, also in the order of its batches.
            for number, name in enumerate((TARGET, *data.references)):
                model, folder, seconds = self._reference(name, number, classifier, data)
                made.append(_Made(name, number, folder, seconds, self._measured(model, classifier, data, known)))
                if name in (TARGET, twin):
                    models[name] = model
                bar.advance()
            beside = {one.name: one.rows for one in made}
            # The target stands beside the twin as it is: nothing was unlearnt from either.
            twins = {TARGET: beside[twin]} if twin else {}
            measured = [one.measured(self.benchmark.values(one.rows, beside, twins.get(one.name))) for one in made]
            for name, seed in runs:
                result, folder = self._unlearnt(name, seed, models[TARGET], classifier, data, self.out)
                rows, other = self._measured(result.model, classifier, data, known), None
                if twin:
                    alike, _ = self._unlearnt(name, seed, models[twin], classifier, data, self.out / f"{twin}-{RUNS}")
                    other = self._measured(alike.model, classifier, data, known)
                one = _Made(name, seed, folder, result.record["cost"]["seconds"], rows)
                measured.append(one.measured(self.benchmark.values(rows, beside, other)))
                bar.advance()
        facts = {"name": snake(type(self.benchmark).__name__), "settings": settings(self.benchmark)}
        return Results(facts, {name: len(examples) for name, examples in data.evaluated.items()}, measured)

    def _reference(
        self, name: str, number: int, classifier: Classifier, data: ImageData
    ) -> tuple[nn.Module, str, float | None]:
        """Return the target or a reference, trained where it was not given, with its folder and seconds."""
        given = {TARGET: self.target, GOLD: self.gold}.get(name, "")
        if given:
            problem = Problem(classifier.network, classifier.task, data.forget, data.retain)
            return load_alike(problem, given, f"--{name}"), given, None
        examples = _everything(data) if name == TARGET else data.references[name]
        out, run = self.out / name, self._run(number)
        model = trained(classifier.network, classifier.task, examples, self.benchmark.recipe, run, out).cpu()
        dress(out, self.model)
        record = RunFolder(out).record()
        return model, str(out), None if record is None else float(record["cost"]["seconds"])

    def _unlearnt(
        self, name: str, seed: int, model: nn.Module, classifier: Classifier, data: ImageData, place: Path
    ) -> tuple[Result, str]:
        """Return what a method makes of a model, given what the benchmark offers, and the folder of the run."""
        offers = self.benchmark.offers
        problem = Problem(
            model=model,
            task=classifier.task,
            forget=data.request,
            retain=data.retain if "retain" in offers else None,
            holdout=data.holdout if "holdout" in offers else None,
        )
        method = self._ahead(name, seed, model, classifier, data, place)
        out = place / RUNS / f"{name}-{seed}"
        result = unlearn(problem, method, out=out, run=self._run(seed))
        dress(out, self.model)
        return result, str(out)

    def _ahead(
        self, name: str, seed: int, model: nn.Module, classifier: Classifier, data: ImageData, place: Path
    ) -> Method:
        """Return the method with what it learnt while all training data were there, where the benchmark lets it."""
        method = self.methods[name]
        if not self.benchmark.learns_ahead:
            return method
        run, nobody = self._run(seed), data.request.take([])
        problem = on_device(Problem(model, classifier.task, nobody, _everything(data), data.holdout), run.device)
        with deterministic(run.device):
            return method.ahead(problem, run, place / AHEAD / f"{name}-{seed}", len(data.request))

    def _measured(self, model: nn.Module, classifier: Classifier, data: ImageData, known: Measurements) -> Rows:
        moved = copied(model).to(self.device)
        return measure(moved, classifier.task, data.evaluated, self._run(0), known=known)

    def _run(self, seed: int) -> Run:
        return Run(seed=seed, device=self.device, progress=self.progress, stop=self.stop)


@dataclass(frozen=True, eq=False)
class _Made:
    """A model that was made, with what was measured of it."""

    name: str
    seed: int
    folder: str
    seconds: float | None
    rows: Rows

    def measured(self, values: Mapping[str, float]) -> Measured:
        """Return its line of the results."""
        return Measured(self.name, self.seed, self.folder, values, self.seconds)


def _everything(data: ImageData) -> Examples:
    return concatenate(data.retain, data.forget)
