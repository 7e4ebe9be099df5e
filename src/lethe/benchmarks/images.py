"""ImageBenchmark: a published protocol of unlearning on image classifiers, which any method can be run on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from lethe.auditing.metric import Rows
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.base import Method
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
        given: what methods are given to forget; None gives them all that is to be forgotten.
        holdout: images that no model is trained on, for methods that learn ahead, and for all where the protocol offers
            a holdout set.
    """

    forget: Examples
    retain: Examples
    evaluated: Mapping[str, Examples]
    references: Mapping[str, Examples]
    facts: Mapping[str, Any] = field(default_factory=dict)
    given: Examples | None = None
    holdout: Examples | None = None

    @property
    def request(self) -> Examples:
        """What methods are given to forget."""
        return self.forget if self.given is None else self.given


class ImageBenchmark(ABC):
    """A published benchmark of image classifiers. Subclasses are frozen dataclasses: the protocol's settings.

    Class attributes:
        title: what messages call it.
        learns_ahead: whether methods may learn from all training data before anything is to be forgotten.
        twin: column of a reference that every run of a method is repeated on, for metrics that compare both; empty for
            none.
    """

    title: ClassVar[str]
    learns_ahead: ClassVar[bool] = False
    twin: ClassVar[str] = ""

    @property
    def offers(self) -> frozenset[str]:
        """The optional parts of the problem that methods are given: `retain`, `holdout`."""
        return frozenset({"retain"})

    @property
    def mend(self) -> str:
        """What to do about a method that needs more than that."""
        return "leave it out"

    def refuse(self, name: str, method: Method) -> None:
        """Raise ConfigurationError where a method needs more than the protocol gives it."""
        needs = method.requirements_at_request() if self.learns_ahead else method.requirements()
        missing = sorted(needs - self.offers)
        if missing:
            raise ConfigurationError(
                f"--methods {name}: needs {' and '.join(missing)}, which {self.title} does not give it; {self.mend}"
            )

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
    def values(self, measured: Rows, beside: Mapping[str, Rows], twin: Rows | None) -> dict[str, float]:
        """Return every metric of a model by name.

        Args:
            measured: what was measured of it.
            beside: the same of target and references, by the name of their column.
            twin: the same of the model that the same unlearning made of the benchmark's twin (of the target, that
                twin itself); None where there is none.
        """


@dataclass(frozen=True, eq=False)
class Reader:
    """Turns tables of images into examples of one classifier.

    Attributes:
        classifier: whose preprocessing and classes they get.
        progress: who is shown how far it is.
    """

    classifier: Classifier
    progress: Progress

    def examples(self, table: Table, rows: Sequence[int] | None = None, **texts: Sequence[str]) -> Examples:
        """Return images and labels of these rows, with ids as the table has them.

        Args:
            table: the images.
            rows: those to read; None reads all.
            texts: further columns by name, [N] a text for each row of the table.
        """
        chosen = range(len(table)) if rows is None else rows
        if not len(chosen):
            raise ConfigurationError(f"{table.where}: no image is left by these settings; take more of them")
        pixels = ImageReader(self.classifier.channels, self.classifier.preprocessing, progress=self.progress)
        labels = torch.from_numpy(class_indices(table, self.classifier.label2id)[list(chosen)])
        ids = tuple(table.ids[row] for row in chosen)
        further = {name: np.array([values[row] for row in chosen], dtype=object) for name, values in texts.items()}
        return Examples(ids, {"image": pixels.read(table, chosen), "label": labels, **further})


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
