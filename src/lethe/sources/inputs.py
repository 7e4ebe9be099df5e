"""Inputs: the paths and selections a run was asked for, and the problem that they make."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from lethe.errors import InputError, StorageError
from lethe.examples import Examples
from lethe.measuring import evaluation
from lethe.problem import Problem
from lethe.progress import Progress, Silent
from lethe.sources.classifier import load_classifier, load_network
from lethe.sources.formats import read
from lethe.sources.images import ImageReader
from lethe.sources.selection import is_list, select
from lethe.sources.tables import Splits, Table, class_indices, frame


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a problem is made from; a run's record keeps it, so that the run can be audited later.

    Args:
        model: folder of the trained classifier, or its name on the hub.
        data: the training data.
        forget: what to forget: a file of ids or a filter.
        retain: what to keep: a file of ids or a filter; None keeps all that is not forgotten.
        holdout: data never trained on; None takes the data's own test split where there is one.
        gold: folders of models retrained without the forget set.
    """

    model: str
    data: str
    forget: str
    retain: str | None = None
    holdout: str | None = None
    gold: tuple[str, ...] = ()

    def absolute(self) -> Inputs:
        """Return the inputs with paths that mean the same from any working folder."""
        return Inputs(
            model=_absolute(self.model),
            data=_absolute(self.data),
            forget=_absolute(self.forget),
            retain=None if self.retain is None else _absolute(self.retain),
            holdout=None if self.holdout is None else _absolute(self.holdout),
            gold=tuple(map(_absolute, self.gold)),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the inputs as plain data."""
        return {**dataclasses.asdict(self), "gold": list(self.gold)}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], where: str) -> Inputs:
        """Return the inputs that a record names; raises StorageError where it names none."""
        try:
            return cls(**{**facts, "gold": tuple(facts["gold"])})
        except (KeyError, TypeError):
            raise StorageError(
                f"{where}: does not say which model and data the run had; name them with --model, --original, --data "
                "and --forget"
            ) from None


def assemble(inputs: Inputs, folder: Path | None = None, progress: Progress | None = None) -> Problem:
    """Load the model and the data and return the problem.

    Args:
        inputs: what to load.
        folder: where decoded images go when they are too large for memory; None takes the temporary folder.
        progress: who is shown how far it is.

    Raises:
        InputError: whatever is wrong with a file, in one line.
    """
    classifier = load_classifier(inputs.model)
    splits = read(Path(inputs.data))
    reader = ImageReader(classifier.channels, classifier.preprocessing, folder, progress=progress or Silent())
    train = _Labelled(splits.train, class_indices(splits.train, classifier.label2id), reader)
    columns = frame(train.table, train.labels, classifier.id2label)
    forget, retain = _chosen(inputs, columns)
    spared = _holdout(inputs, splits)
    if spared is not None:
        other = _Labelled(spared, class_indices(spared, classifier.label2id), reader)
    problem = Problem(
        model=classifier.network,
        task=classifier.task,
        forget=train.examples(forget),
        retain=train.examples(retain),
        holdout=None if spared is None else other.examples(range(len(spared))),
    )
    _probe(problem.model, problem, inputs.model)
    return dataclasses.replace(problem, gold=tuple(load_like(problem, path, "--gold") for path in inputs.gold))


def load_like(problem: Problem, source: str, option: str) -> nn.Module:
    """Load a model to set beside the problem's own; raises InputError where it does not fit the same data."""
    network = load_network(source)
    classes = _probe(network, problem, source)
    own = _probe(problem.model, problem, "the original model")
    if classes != own:
        raise InputError(f"{option} {source}: knows {classes} classes, the original {own}; give a model of the same")
    return network


@dataclass(frozen=True, eq=False)
class _Labelled:
    """A table with its labels as the model counts them, and the reader for its images."""

    table: Table
    labels: np.ndarray
    reader: ImageReader

    def examples(self, rows: Sequence[int]) -> Examples:
        ids = tuple(self.table.ids[row] for row in rows)
        labels = torch.from_numpy(self.labels[list(rows)])
        return Examples(ids, {"image": self.reader.read(self.table, rows), "label": labels})


def _chosen(inputs: Inputs, columns: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Return the rows to forget and the rows to keep."""
    forget = select(inputs.forget, columns, "--forget")
    gone = set(forget)
    if inputs.retain is None:
        retain = [row for row in range(len(columns)) if row not in gone]
        if not retain:
            raise InputError(f"{inputs.forget}: names all {len(columns)} examples; keep some, or train a model anew")
        return forget, retain
    retain = select(inputs.retain, columns, "--retain")
    both = gone & set(retain)
    if both:
        raise InputError(
            f"--retain and --forget share {len(both)} examples (for one '{columns['id'][min(both)]}'); "
            "an example belongs to one of them"
        )
    return forget, retain


def _holdout(inputs: Inputs, splits: Splits) -> Table | None:
    """Return the holdout: the data it was given, or the test split; raises InputError where it is the training data."""
    if inputs.holdout is None:
        return None if splits.test is None else splits.test.renamed("test")
    given = Path(inputs.holdout)
    if given.exists() and given.resolve() == Path(inputs.data).resolve() and splits.test is None:
        raise InputError(f"--holdout {given}: is the training data; give data the model never saw, or leave it out")
    found = read(given)
    table = found.test or found.train
    # Row numbers and relative paths of another file are names by chance: they must not clash with those of the data.
    return table if table.own_ids else table.renamed("holdout")


def _probe(model: nn.Module, problem: Problem, source: str) -> int:
    """Return how many classes the model tells apart; raises InputError where it cannot take one of the images."""
    one = problem.forget.batch(torch.tensor([0]))
    try:
        with evaluation(model):
            return problem.task.outputs(model, one).shape[1]
    except (ValueError, RuntimeError) as error:
        shape, reason = tuple(one.tensor("image").shape[1:]), " ".join(str(error).split())[:200]
        raise InputError(
            f"{source}: cannot take images of shape {shape} ({reason}); give its preprocessor_config.json, "
            "or images of the size it was trained on"
        ) from None


def _absolute(text: str) -> str:
    return os.path.abspath(text) if is_list(text) or os.path.exists(text) else text
