"""Running a stream: one request after the other goes to a method or a deletion service, and each result is measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from lethe import models
from lethe.api import unlearn
from lethe.auditing.inference import auc
from lethe.errors import ConfigurationError, StorageError
from lethe.examples import Batch, Examples, concatenate
from lethe.measuring import over_examples
from lethe.methods.base import Method, settings
from lethe.methods.exact.service import Deletable, Service
from lethe.problem import Problem
from lethe.run import Run
from lethe.store import RunFolder, digest, read_json, write_json
from lethe.streams.requests import Requests, check_requests
from lethe.streams.rounds import ERROR, Measure, Round, Rounds
from lethe.tasks import Classification, Regression, Task

MODELS, DONE = "requests", "rounds.json"


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Requests that a method answers one by one, each from the model the last one left.

    A method sees of each request the model as it is, what is to be forgotten now, and, where it needs them, the
    examples that are kept so far. A deletion service (`lethe.methods.exact`) is trained once on everything.

    Args:
        method: what answers.
        requests: ids of the forget set, request by request.
        retrain_every: train a gold model on what is kept after every so many requests; 0 trains none.
        sample: most kept examples that are measured, and most never seen.
    """

    method: Method
    requests: Requests
    retrain_every: int = 0
    sample: int = 1000

    def __call__(self, problem: Problem, out: Path | None = None, run: Run | None = None) -> Rounds:
        """Work through the requests, and return what was measured before the first and after each.

        Args:
            problem: the model before any request; `forget` is what all requests forget together, `retain` the rest.
            out: folder of the models and of what was measured; the same call again goes on there. None keeps nothing.
            run: seed, device and progress.

        Raises:
            InputError: a request names an unknown id, or one a second time.
            ConfigurationError: the problem lacks what the method needs.
            StorageError: the folder is in use or holds another stream.
            Diverged: a request ended in numbers that are not finite.
        """
        run = run or Run()
        problem.check()
        problem.require(self.method.requirements(), type(self.method).__name__)
        check_requests(self.requests, problem.forget)
        if self.retrain_every and problem.retrain is None:
            raise ConfigurationError("gold models need Problem(retrain=...); leave out retrain_every")
        if out is None:
            return self._rounds(problem, None, run)
        with RunFolder(out).owned():
            return self._rounds(problem, out, run)

    def _rounds(self, problem: Problem, out: Path | None, run: Run) -> Rounds:
        done = _Done(
            out, digest([settings(self.method), list(map(list, self.requests)), run.seed, problem.fingerprint()])
        )
        answering = self._answering(problem, out, run)
        with run.progress.bar("requests", len(self.requests)) as bar:
            if not done.rounds:
                done.add(Round(0, 0, 0.0, 0, 0, self._values(problem.model, problem, 0, run), {}))
            for number in range(1, len(self.requests) + 1):
                run.interrupt_point()
                fresh = number >= len(done.rounds)
                model, cost = answering(number, fresh)
                if fresh:
                    values = self._values(model, problem, number, run)
                    gold = self._gold(problem, number, run)
                    count = sum(map(len, self.requests[:number]))
                    done.add(
                        Round(number, count, cost["seconds"], int(cost["steps"]), int(cost["examples"]), values, gold)
                    )
                bar.advance(1, forgotten=done.rounds[number].values["forgotten"])
        return Rounds(settings(self.method), _measure(problem.task), done.rounds)

    def _answering(self, problem: Problem, out: Path | None, run: Run) -> _Answering:
        if isinstance(self.method, Deletable):
            folder = out / "service" if out is not None else None
            everything = concatenate(problem.kept, problem.forget)
            service = self.method.fit(problem.model, problem.task, everything, run=run, folder=folder)
            return _ByService(self.requests, service)
        return _ByMethod(self.method, self.requests, problem, out, run)

    def _values(self, model: nn.Module, problem: Problem, number: int, run: Run) -> dict[str, float]:
        """Return what is measured after a request: on it, on all so far, on what is kept and on what was never seen."""
        meter = Run(seed=run.seed, device=run.device)
        moved = models.copied(model).to(run.device)
        sets: dict[str, Examples] = {"retain": self._few(remaining(problem, self.requests, number), run)}
        if problem.holdout is not None:
            sets["holdout"] = self._few(problem.holdout, run)
        if number:
            sets["latest"] = problem.forget.select(self.requests[number - 1])
            sets["forgotten"] = problem.forget.select([name for ids in self.requests[:number] for name in ids])
        read = {name: _read(moved, problem.task, examples, meter) for name, examples in sets.items() if len(examples)}
        values = {name: float(scores[:, 0].mean()) for name, scores in read.items()}
        if "forgotten" in read and "holdout" in read:
            values["membership"] = auc(-read["forgotten"][:, 1], -read["holdout"][:, 1])
        return values

    def _gold(self, problem: Problem, number: int, run: Run) -> dict[str, float]:
        if not self.retrain_every or number % self.retrain_every or problem.retrain is None:
            return {}
        gold = problem.retrain(remaining(problem, self.requests, number), 1)
        return self._values(gold, problem, number, run)

    def _few(self, examples: Examples, run: Run) -> Examples:
        return examples.sample(self.sample, run.generator("measured"))


def remaining(problem: Problem, requests: Requests, number: int) -> Examples:
    """Return what is kept after so many requests: the retain set, and what later requests will forget."""
    gone = {name for ids in requests[:number] for name in ids}
    later = problem.forget.without(gone)
    return problem.kept if not len(later) else concatenate(problem.kept, later)


class _Answering(Protocol):
    """Answers request after request; one that was answered in an earlier process is only taken up."""

    def __call__(self, number: int, fresh: bool) -> tuple[nn.Module, Mapping[str, float]]:
        """Return the model after the request of this number, and what answering it took."""


class _ByMethod:
    def __init__(self, method: Method, requests: Requests, problem: Problem, out: Path | None, run: Run) -> None:
        self._method, self._requests, self._problem, self._out, self._run = method, requests, problem, out, run
        self._model = problem.model

    def __call__(self, number: int, fresh: bool) -> tuple[nn.Module, Mapping[str, float]]:
        """Let the method forget the request from the model the last one left."""
        problem = dataclasses.replace(
            self._problem,
            model=self._model,
            forget=self._problem.forget.select(self._requests[number - 1]),
            retain=remaining(self._problem, self._requests, number) if self._problem.retain is not None else None,
            gold=(),
        )
        out = self._out / MODELS / f"{number:04d}" if self._out is not None else None
        run = Run(
            seed=self._run.seed, device=self._run.device, progress=self._run.progress, stop=self._run.stop,
            path=(*self._run.path, f"request-{number}"),
        )  # fmt: skip
        result = unlearn(problem, self._method, out=out, run=run)
        self._model = result.model
        return result.model, result.record["cost"]


class _ByService:
    def __init__(self, requests: Requests, service: Service) -> None:
        self._requests, self._service = requests, service

    def __call__(self, number: int, fresh: bool) -> tuple[nn.Module, Mapping[str, float]]:
        """Let the service delete the request, where it has not."""
        # What was deleted just before a process ended is not known to have cost anything.
        live = set(self._service.live)
        left = [name for name in self._requests[number - 1] if name in live]
        cost = {"seconds": 0.0, "steps": 0, "examples": 0}
        if left:
            took = self._service.delete(left)
            cost = {"seconds": took.seconds, "steps": took.steps, "examples": took.examples}
        return self._service.model(), cost


class _Done:
    """The rounds so far, kept in the folder after each."""

    def __init__(self, out: Path | None, key: str) -> None:
        self._path, self._key = (out / DONE if out is not None else None), key
        self.rounds: list[Round] = []
        if self._path is not None and self._path.exists():
            found = read_json(self._path)
            if found.get("stream") != key:
                raise StorageError(f"{out}: holds another stream; give this one a folder of its own with --out")
            self.rounds = [Round(**one) for one in found["rounds"]]

    def add(self, one: Round) -> None:
        """Keep a further round."""
        self.rounds.append(one)
        if self._path is not None:
            write_json(self._path, {"stream": self._key, "rounds": [dataclasses.asdict(one) for one in self.rounds]})


def _measure(task: Task) -> Measure:
    """Return what is measured of such models."""
    if isinstance(task, Classification):
        return "accuracy"
    return ERROR if isinstance(task, Regression) else "probability"


def _read(model: nn.Module, task: Task, examples: Examples, run: Run) -> torch.Tensor:
    """Return what is measured of each example (right or not, probability of the answer, error) and its loss, [N, 2]."""

    def read(model: nn.Module, batch: Batch) -> torch.Tensor:
        outputs = task.outputs(model, batch)
        losses = task.losses_from(outputs, batch).float()
        if isinstance(task, Classification):
            found = (outputs.argmax(-1) == task.labels(batch)).float()
        else:
            found = losses if _measure(task) == ERROR else losses.neg().exp()
        return torch.stack([found, losses], 1)

    return over_examples(model, task, examples, run, read, "measuring")
