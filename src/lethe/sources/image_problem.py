"""A problem of images: a classifier, and the labelled images that it is to forget and to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.measuring import evaluation
from lethe.problem import Problem
from lethe.progress import Progress
from lethe.sources.classifier import Classifier, load_classifier, load_network
from lethe.sources.formats import READABLE, read
from lethe.sources.images import ImageReader
from lethe.sources.inputs import Inputs
from lethe.sources.kinds import kind_of
from lethe.sources.selection import choose
from lethe.sources.tables import Splits, Table, class_indices, frame


def image_problem(inputs: Inputs, folder: Path | None, progress: Progress) -> Problem:
    """Load the classifier and the images and return the problem, without gold models; see `assemble`."""
    _check_options(inputs)
    classifier = load_classifier(inputs.model)
    splits = read(Path(inputs.data))
    reader = ImageReader(classifier.channels, classifier.preprocessing, folder, progress=progress)
    train = _Labelled(splits.train, class_indices(splits.train, classifier.label2id), reader)
    forget, retain = choose(inputs.forget, inputs.retain, frame(train.table, train.labels, classifier.id2label))
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
    return problem


def training_set(model: str, data: str, progress: Progress) -> tuple[Classifier, Examples]:
    """Load a classifier and all images it was trained on.

    Args:
        model: folder of the classifier, or its name on the hub.
        data: its training data; see `read`.
        progress: who is shown how far it is.

    Raises:
        InputError: whatever is wrong with a file, in one line.
        ConfigurationError: the model is none of images.
    """
    if (kind := kind_of(model)) == "language model":
        raise ConfigurationError(f"--model {model}: is a {kind}; give an image classifier")
    classifier = load_classifier(model)
    table = read(Path(data)).train
    reader = ImageReader(classifier.channels, classifier.preprocessing, None, progress=progress)
    labelled = _Labelled(table, class_indices(table, classifier.label2id), reader)
    return classifier, labelled.examples(range(len(table)))


def load_alike(problem: Problem, source: str, option: str) -> nn.Module:
    """Load a classifier to set beside the problem's own; raises InputError where it does not fit the same data."""
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


def _check_options(inputs: Inputs) -> None:
    if not inputs.data:
        raise ConfigurationError(
            f"{inputs.model}: is an image classifier; name its training data with --data: {READABLE}"
        )
    if inputs.precision == "bf16":
        raise ConfigurationError("--precision bf16 is for language models; choose mixed for an image classifier")
    for option in inputs.of_text():
        raise ConfigurationError(f"--{option} is for language models, and {inputs.model} is an image classifier")


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
