"""ImageBenchmark: a published protocol of unlearning on image classifiers, which any method can be run on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch

from lethe.auditing.metric import Rows
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.progress import Progress
from lethe.sources.classifier import Classifier
from lethe.sources.images import ImageReader
from lethe.sources.tables import Table, class_indices


@dataclass(frozen=True, eq=False)
class ImageData:
    """What a benchmark of images trains, unlearns and evaluates on.

    Attributes:
        forget: images to forget, as the target was trained on them.
        retain: all others it was trained on.
        evaluated: images to evaluate, by name.
        references: what further models are trained on, from the same start, by the name of their column.
        facts: what was drawn, as plain data for `data.json`.
    """

    forget: Examples
    retain: Examples
    evaluated: Mapping[str, Examples]
    references: Mapping[str, Examples]
    facts: Mapping[str, Any] = field(default_factory=dict)


class ImageBenchmark(ABC):
    """A published benchmark of image classifiers. Subclasses are frozen dataclasses: the protocol's settings.

    Class attributes:
        title: what messages call it.
    """

    title: ClassVar[str]

    @abstractmethod
    def read(self, source: str, reader: Reader) -> ImageData:
        """Read the data and draw what is to be forgotten; the same settings draw the same.

        Raises:
            InputError: a file is missing or damaged, or does not fit the model.
            ConfigurationError: the data cannot give what the settings ask for.
        """

    @property
    @abstractmethod
    def recipe(self) -> FineTune:
        """How target and references are trained from the given model."""

    @abstractmethod
    def values(self, measured: Rows, target: Rows) -> dict[str, float]:
        """Return every metric of a model by name."""


@dataclass(frozen=True, eq=False)
class Reader:
    """Turns tables of images into examples of one classifier.

    Attributes:
        classifier: whose preprocessing and classes they get.
        progress: who is shown how far it is.
    """

    classifier: Classifier
    progress: Progress

    def examples(self, table: Table, rows: Sequence[int] | None = None) -> Examples:
        """Return images and labels of these rows, of all where none are named, with ids as the table has them."""
        chosen = range(len(table)) if rows is None else rows
        if not len(chosen):
            raise ConfigurationError(f"{table.where}: no image is left by these settings; take more of them")
        pixels = ImageReader(self.classifier.channels, self.classifier.preprocessing, progress=self.progress)
        labels = torch.from_numpy(class_indices(table, self.classifier.label2id)[list(chosen)])
        ids = tuple(table.ids[row] for row in chosen)
        return Examples(ids, {"image": pixels.read(table, chosen), "label": labels})


def accuracy(measured: Rows, name: str, within: int = 1) -> float:
    """Return the share of a set's images whose label is among the likeliest `within` classes."""
    rows = measured[name]
    likeliest = rows.logits.topk(min(within, rows.logits.shape[1]), dim=1).indices
    return float((likeliest == rows.labels.unsqueeze(1)).any(1).double().mean())


def require_folder(source: str, title: str) -> Path:
    """Return the folder with a benchmark's files; raises ConfigurationError where it is none."""
    folder = Path(source)
    if not folder.is_dir():
        raise ConfigurationError(f"{source}: no such folder; give one with {title}'s files")
    return folder
