"""Benchmark: a published data set with its protocol and metrics, which any method can be run on."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from lethe.auditing.measure import Measurements
from lethe.examples import Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run
from lethe.store import atomic
from lethe.tasks import CausalLM

Row = Mapping[str, object]
"""One line of a data file: `question` and `answer`, `prompt` and `answer`, or `text`, and what else belongs to it."""


@dataclass(frozen=True, eq=False)
class BenchmarkData:
    """What a benchmark trains, unlearns and evaluates on.

    Attributes:
        forget: rows to forget.
        retain: all other rows the target was trained on; empty where the benchmark gives none.
        holdout: rows of the same kind nobody was trained on; empty where there are none.
        tasks: rows to evaluate, by name.
        seen_forget: further rows that the target alone is trained on, and no method is given: questions about what is
            forgotten that only the evaluation asks.
        seen_retain: further rows that target and gold are trained on, and no method is given.
        requests: forget sets that are unlearnt apart instead of `forget`, which then holds all of their rows: one run
            each, called `METHOD 1`, `METHOD 2` and so on in the table; empty for a single run on `forget`.
        successive: whether each of these runs starts from the result of the one before, and not from the target.
    """

    forget: Sequence[Row]
    retain: Sequence[Row]
    holdout: Sequence[Row] = ()
    tasks: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    seen_forget: Sequence[Row] = ()
    seen_retain: Sequence[Row] = ()
    requests: Sequence[Sequence[Row]] = ()
    successive: bool = False


class Benchmark(ABC):
    """A published benchmark. Subclasses are frozen dataclasses: their fields are the protocol's settings.

    Class attributes:
        title: what messages call it.
        hub: its name on the hub, for messages; empty where it has none.
        trains: whether the target is the given model after training on forget and retain rows, and gold the same
            after the retain rows alone. Otherwise the given model knows already what is to be forgotten: it is the
            target, and there is no gold but a model the user names.
        corrupts: whether what is to be forgotten overwrites what the given model knew: the target is the given model
            after training on the forget rows alone, and gold is the given model itself.
        template: how prompt and answer become text where the user does not say; empty chooses by tokenizer.
    """

    title: ClassVar[str]
    hub: ClassVar[str] = ""
    trains: ClassVar[bool] = True
    corrupts: ClassVar[bool] = False
    template: ClassVar[str] = ""

    @abstractmethod
    def read(self, source: str) -> BenchmarkData:
        """Read the benchmark's own files from a folder, or its data set from the hub.

        Raises:
            InputError: a file is missing or damaged, or a row lacks a column.
            ConfigurationError: there is no such split.
        """

    def complete(
        self, data: BenchmarkData, model: nn.Module, task: CausalLM, run: Run, known: Measurements
    ) -> BenchmarkData:
        """Return the data with what only the model that is to forget can add, such as texts it writes itself.

        The data as they are by default. `task` reads the rows that `read` gave; those returned may be of another kind.
        """
        return data

    @property
    def recipe(self) -> FineTune:
        """How target and gold are trained; only asked for where `trains`."""
        raise NotImplementedError(f"{self.title} trains no models of its own")

    @abstractmethod
    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the examples to evaluate, by name; equal data give equal examples."""

    @abstractmethod
    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> Any:
        """Return what is measured of a model: each forward and each generation once, kept in `known`."""

    @abstractmethod
    def values(self, measured: Any, target: Any, gold: Any | None) -> dict[str, float]:
        """Return every metric of a model by name, beside what was measured of the target and of gold.

        Metrics that need a gold model are left out where there is none.
        """


def write_rows(rows: Sequence[Row], prefix: str, path: Path) -> None:
    """Write rows as JSON Lines with ids, as `lethe unlearn` and `lethe audit` read them."""
    lines = (json.dumps({"id": f"{prefix}-{i}", **row}, ensure_ascii=False) for i, row in enumerate(rows))
    atomic(path, "".join(f"{line}\n" for line in lines).encode())
