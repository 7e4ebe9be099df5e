"""Corrective unlearning: take back the harm of manipulated training data, only some of which has been found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from lethe.auditing.metric import Rows
from lethe.benchmarks.corrective_data import Manipulated, Manipulation, manipulate, of_classes, triggered
from lethe.benchmarks.images import ImageBenchmark, ImageData, Reader, accuracy
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run
from lethe.sources.formats import read
from lethe.sources.tables import Table


@dataclass(frozen=True, kw_only=True)
class Corrective(ImageBenchmark):
    """Corrective unlearning: the target was trained on data of which a set S_m is manipulated; a share of it is known.

    Methods are given this share S_f to forget and all else to retain, in which the rest of S_m stands as it is. So
    retraining without S_f is not gold here: its column is called `retrained`. `clean` is trained on the data as they
    were before. Labels of evaluated images are always the true ones: `corrected_accuracy` is that on what the
    manipulation harms (test images with the trigger; of the two confused classes; all, for swapped labels),
    `retain_accuracy` that on what it does not (test images without the trigger; of other classes; all),
    `identified_accuracy` and `unidentified_accuracy` those on the manipulated images themselves.

    Args:
        manipulation: `poison`, a bright patch in the corner of random images with label 0; `confusion`, labels of two
            classes exchanged on the first images of both; `swap`, labels permuted among random images.
        manipulated: |S_m|; 100 to 1000 for `poison` on CIFAR-10, 500 to 5000 for `confusion`.
        identified: γ = |S_f| / |S_m|, from above 0 to 1.
        classes: the two that are confused, 3,5 being cat and dog of CIFAR-10.
        patch: side of the trigger in pixels.
        seed: of what is drawn; the same for all methods.
        limit: most training images, and most test images; 0 keeps all.
        epochs: passes over the data in which target and references are trained.
        batch_size: images a step of that.
        learning_rate: step size of that.
        weight_decay: weight decay of that.

    Source: Goel et al. 2024, arXiv:2402.14015. The trigger is the largest stored value in every channel, where the
        release takes the largest normalised one; checkpoints are not chosen by test accuracy.
    """

    manipulation: Manipulation = "poison"
    manipulated: int = 500
    identified: float = 0.1
    classes: tuple[int, ...] = (3, 5)
    patch: int = 3
    seed: int = 0
    limit: int = 0
    epochs: int = 40
    batch_size: int = 512
    learning_rate: float = 0.025
    weight_decay: float = 5e-4

    title: ClassVar[str] = "Corrective unlearning"

    def __post_init__(self) -> None:
        for name, least in (("manipulated", 1), ("patch", 1), ("limit", 0)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not 0 < self.identified <= 1:
            raise ConfigurationError(f"identified must be above 0 and at most 1, not {self.identified}")
        if len(set(self.classes)) != 2:
            raise ConfigurationError(f"classes must name two different classes, as 3,5, not {self.classes}")
        self.recipe.check()

    @property
    def recipe(self) -> FineTune:
        """SGD with momentum and a linear fall."""
        return FineTune(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, optimizer="sgd",
            momentum=0.9, weight_decay=self.weight_decay, schedule="linear",
        )  # fmt: skip

    def read(self, source: str, reader: Reader) -> ImageData:
        """Return the manipulated data; the data have to have a test split."""
        splits = read(Path(source))
        if splits.test is None:
            raise ConfigurationError(f"{source}: has no test split; give data with train and test images")
        train, test = (self._examples(reader, table) for table in (splits.train, splits.test.renamed("test")))
        changed = manipulate(
            train, self.manipulation, self.manipulated, self.identified, self.classes, self.patch, self.seed
        )
        affected, unaffected = self._domains(test)
        evaluated = {
            "affected": affected,
            "unaffected": unaffected,
            "identified": changed.with_true_labels(changed.found),
        }
        if len(changed.hidden):
            evaluated["unidentified"] = changed.with_true_labels(changed.hidden)
        return ImageData(
            forget=changed.data.take(changed.found),
            retain=changed.retained,
            evaluated=evaluated,
            references={"retrained": changed.retained, "clean": train},
            facts=_facts(changed),
        )

    def values(self, measured: Rows, beside: Mapping[str, Rows], twin: Rows | None) -> dict[str, float]:
        """Return the accuracies by what they are measured on."""
        names: Mapping[str, str] = {
            "affected": "corrected", "unaffected": "retain", "identified": "identified", "unidentified": "unidentified",
        }  # fmt: skip
        return {f"{short}_accuracy": accuracy(measured, name) for name, short in names.items() if name in measured.sets}

    def _examples(self, reader: Reader, table: Table) -> Examples:
        """Return the images of a split, those drawn for the limit alone being read."""
        if not self.limit or len(table) <= self.limit:
            return reader.examples(table)
        draw = Run(seed=self.seed).generator("corrective", "limit", len(table))
        return reader.examples(table, torch.randperm(len(table), generator=draw)[: self.limit].sort().values.tolist())

    def _domains(self, test: Examples) -> tuple[Examples, Examples]:
        """Return the test images that the manipulation harms, and those that it does not."""
        if self.manipulation == "poison":
            return triggered(test, self.patch), test
        if self.manipulation == "swap":
            return test, test
        return of_classes(test, self.classes), of_classes(test, self.classes, others=True)


def _facts(changed: Manipulated) -> dict[str, list[str]]:
    ids = changed.data.ids
    return {
        "manipulated": [ids[row] for row in changed.rows.tolist()],
        "identified": [ids[row] for row in changed.found.tolist()],
    }
