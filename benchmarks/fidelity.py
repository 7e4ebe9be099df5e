"""How close each method ends to gold on the digits: settings chosen on three originals, figures from five others.

Usage: python benchmarks/fidelity.py [mislabelled] [class] [random] [METHOD ...]
"""

from __future__ import annotations

import itertools
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import get_args

import torch

from lethe import catalogue, configure
from lethe.api import unlearn
from lethe.auditing import Audit, Auditor
from lethe.errors import LetheError
from lethe.methods.base import Method
from lethe.problem import Problem
from lethe.worlds.digits import Digits, Forget

TUNING_SEEDS = (10, 11, 12)
SEEDS = (0, 1, 2, 3, 4)
GOLDS = (1, 2, 3)
METRICS = ("forget_accuracy", "retain_accuracy", "holdout_accuracy", "mia_confidence")

# The same budget for every method: six settings each.
GRIDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "finetune": {"learning_rate": ("0.003", "0.01", "0.02", "0.05", "0.07", "0.1")},
    "gradient_ascent": {"learning_rate": ("0.0005", "0.001", "0.002", "0.005", "0.01", "0.02")},
    "neg_grad_plus": {"learning_rate": ("0.003", "0.01"), "beta": ("0.9", "0.95", "0.98")},
    "random_labels": {"learning_rate": ("0.005", "0.013", "0.05"), "batch_size": ("64", "256")},
    "salun": {"learning_rate": ("0.005", "0.013", "0.05"), "batch_size": ("64", "256")},
    "loreun": {"learning_rate": ("0.005", "0.013", "0.05"), "batch_size": ("64", "256")},
    "l1_sparse": {"learning_rate": ("0.01", "0.03", "0.05"), "penalty": ("0.0005", "0.002")},
    "scrub": {"learning_rate": ("0.0002", "0.0005", "0.001", "0.002", "0.003", "0.005")},
    "ssd": {"alpha": ("4.5",), "dampening": ("1", "2.5"), "batch_size": ("1", "4", "16")},
    "boundary_shrink": {"learning_rate": ("0.00003", "0.0001", "0.0003", "0.001", "0.003", "0.01")},
}


def settings_of(grid: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Return every combination of the grid's values."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def auditor(problem: Problem) -> Auditor:
    """Return an auditor of the four metrics the average gap is made of."""
    metrics = tuple(catalogue.find("metric", name)() for name in METRICS)
    return Audit(metrics=metrics, attacks=(), resamples=0).on(problem)


def figures(audit: Auditor, method: Method) -> list[float]:
    """Return the average gap and the four metrics of one run; a gap of 1 where it diverged."""
    try:
        evidence = audit(unlearn(audit.problem, method).model)
    except LetheError:
        return [1.0] * (1 + len(METRICS))
    assert evidence.average_gap is not None
    return [evidence.average_gap.value, *(evidence.entry(name).value for name in METRICS)]


def main(forget: Forget, methods: Sequence[str]) -> None:
    world = Digits(forget)
    tuning = [auditor(world.problem(seed, GOLDS)) for seed in TUNING_SEEDS]
    chosen: dict[str, tuple[dict[str, str], Method]] = {}
    for name in methods:
        grid = GRIDS[name]
        tried = [
            (statistics.mean(figures(audit, configure.build(name, s))[0] for audit in tuning), s)
            for s in settings_of(grid)
        ]
        best = min(tried, key=lambda pair: pair[0])[1]
        chosen[name] = best, configure.build(name, best)
        print(f"{name}: {best} of {[(round(g, 4), *s.values()) for g, s in tried]}", file=sys.stderr)
    audits = [auditor(world.problem(seed, GOLDS)) for seed in SEEDS]
    print("| method | chosen | average gap | forget | retain | test | MIA efficacy |\n|---|---|---|---|---|---|---|")
    for name, (setting, method) in chosen.items():
        rows = [figures(audit, method) for audit in audits]
        means = [statistics.mean(column) for column in zip(*rows, strict=True)]
        spread = statistics.stdev(row[0] for row in rows)
        shown = ", ".join(f"{k}={v}" for k, v in setting.items())
        values = " | ".join(f"{100 * value:.1f}" for value in means[1:])
        print(f"| {name} | {shown} | {100 * means[0]:.2f} ± {100 * spread:.2f} | {values} |")


if __name__ == "__main__":
    torch.set_num_threads(1)
    asked = sys.argv[1:]
    worlds = [name for name in get_args(Forget) if name in asked or not set(asked) & set(get_args(Forget))]
    for forget in worlds:
        print(f"\n{forget}\n")
        main(forget, [name for name in GRIDS if name in asked or not set(asked) & set(GRIDS)])
