"""Sampling: which examples are shown where there are too many."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run

SETS = ("forget", "retain", "holdout")


def sets_of(problem: Problem) -> dict[str, Examples]:
    """Return the sets of a problem that are there, by name."""
    named = zip(SETS, (problem.forget, problem.retain, problem.holdout), strict=True)
    return {name: examples for name, examples in named if examples is not None}


def shares(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """Return how many of each set are shown: all, or of forget up to half of `most` and of the others as many each.

    >>> shares({"forget": 10, "retain": 900, "holdout": 20}, 100)
    {'forget': 10, 'retain': 70, 'holdout': 20}
    """
    if sum(counts.values()) <= most:
        return dict(counts)
    kept = {"forget": min(counts["forget"], most // 2)}
    others = sorted((name for name in counts if name != "forget"), key=lambda name: counts[name])
    for i, name in enumerate(others):
        kept[name] = min(counts[name], (most - sum(kept.values())) // (len(others) - i))
    return {name: kept[name] for name in counts}


def shown(sets: Mapping[str, Examples], most: int) -> dict[str, Examples]:
    """Return at most so many examples, the same ones every time, in the order of their sets."""
    kept = shares({name: len(examples) for name, examples in sets.items()}, most)
    return {name: examples.sample(kept[name], Run(seed=0).generator("shown", name)) for name, examples in sets.items()}


def rows(counts: Mapping[str, int], most: int, purpose: str) -> list[int]:
    """Return at most so many rows of the sets laid end to end, the same ones every time, in ascending order."""
    kept, start = shares(counts, most), 0
    chosen: list[int] = []
    for name, count in counts.items():
        order = torch.randperm(count, generator=Run(seed=0).generator(purpose, name))[: kept[name]]
        chosen += (order.sort().values + start).tolist()
        start += count
    return chosen


def rule(counts: Mapping[str, int], most: int) -> str:
    """Return how the shown examples were chosen, in one sentence."""
    if sum(counts.values()) <= most:
        return "All examples are shown."
    return (
        f"{most:,} of {sum(counts.values()):,} examples are shown and measured: of the forget set up to half of them, "
        "of the other sets equally many, drawn at random with a fixed seed."
    )
