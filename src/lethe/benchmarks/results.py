"""Results of a benchmark: the values of target, gold and every run, their mean and spread over seeds, and the table."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lethe.numbers import NOTHING, number

if TYPE_CHECKING:
    from rich.table import Table

VERSION = 1


@dataclass(frozen=True)
class Measured:
    """One evaluated model.

    Attributes:
        name: `target`, `gold`, or the method.
        seed: of the run.
        folder: where its weights are.
        values: metric to value.
        seconds: what unlearning (or training) took; None where nobody measured it.
    """

    name: str
    seed: int
    folder: str
    values: Mapping[str, float]
    seconds: float | None = None


@dataclass(frozen=True)
class Results:
    """All models of one benchmark.

    Attributes:
        benchmark: its name and settings, as plain data.
        sizes: rows evaluated, by task.
        models: one a run, target and gold first.
    """

    benchmark: Mapping[str, Any]
    sizes: Mapping[str, int]
    models: Sequence[Measured]

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics, in order of first appearance."""
        return list(dict.fromkeys(name for model in self.models for name in model.values))

    def summary(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Return, by model and metric, the mean over seeds and the standard deviation (None for a single seed)."""
        found: dict[str, dict[str, dict[str, float | None]]] = {}
        for name in dict.fromkeys(model.name for model in self.models):
            seeds = [model.values for model in self.models if model.name == name]
            found[name] = {
                metric: _mean([values[metric] for values in seeds if metric in values])
                for metric in self.metrics
                if any(metric in values for values in seeds)
            }
        return found

    def to_json(self) -> dict[str, Any]:
        """Return plain data for results.json."""
        return {
            "version": VERSION,
            "benchmark": dict(self.benchmark),
            "rows": dict(self.sizes),
            "models": [dict(vars(model)) | {"values": dict(model.values)} for model in self.models],
            "summary": self.summary(),
        }

    def to_csv(self) -> str:
        """Return one line a model: name, seed, folder, seconds and every metric."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["model", "seed", "folder", "seconds", *self.metrics])
        for model in self.models:
            values = [model.values.get(metric, "") for metric in self.metrics]
            seconds = "" if model.seconds is None else model.seconds
            writer.writerow([model.name, model.seed, model.folder, seconds, *values])
        return text.getvalue()

    def table(self) -> Table:
        """Return the table for a rich console: a row a metric, a column a model, mean ± standard deviation."""
        from rich.table import Table

        summary = self.summary()
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("Metric")
        for name in summary:
            table.add_column(name, justify="right")
        for metric in self.metrics:
            table.add_row(metric, *(_cell(values.get(metric)) for values in summary.values()))
        return table


def _mean(values: Sequence[float]) -> dict[str, float | None]:
    spread = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "spread": spread}


def _cell(value: Mapping[str, float | None] | None) -> str:
    if value is None or value["mean"] is None:
        return NOTHING
    spread = value["spread"]
    mean = number(value["mean"], "")
    return mean if spread is None else f"{mean}±{number(float(f'{spread:.2g}'), '')}"
