"""Metric: a pure function on what was measured of a model, beside what was measured of its references."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from torch import Tensor

from lethe.auditing.text_rows import TextRows
from lethe.auditing.units import Units
from lethe.auditing.value_rows import ValueRows
from lethe.tasks import Classification, Task

SetName = Literal["forget", "retain", "holdout"]


@dataclass(frozen=True, eq=False)
class SetRows:
    """What one forward pass of one model over one set of examples showed, in the order of the examples.

    Attributes:
        ids: [N] names of the examples.
        labels: [N] class indices.
        logits: [N, C] float32.
        features: [N, D] what entered the head.
        activations: layer name to [N, D_l], the layer's output averaged over positions; empty where nobody asked.
    """

    ids: tuple[str, ...]
    labels: Tensor
    logits: Tensor
    features: Tensor
    activations: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Rows:
    """Everything measured of one model.

    Attributes:
        sets: of a classifier: `forget`, and `retain` and `holdout` where the problem has them.
        head: weight [C, D] and bias [C] (None without one) of the last layer.
        weights: layer name to its weight, as it is (a reference, not a copy).
        texts: of a language model: the same sets, and whatever else was measured.
        units: groups of hidden units that can be exchanged; empty where nobody asked.
        values: of a regression model: the same sets.
    """

    sets: Mapping[str, SetRows]
    head: tuple[Tensor, Tensor | None]
    weights: Mapping[str, Tensor]
    texts: Mapping[str, TextRows] = field(default_factory=dict)
    units: tuple[Units, ...] = ()
    values: Mapping[str, ValueRows] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """The number of examples of each set."""
        return {name: len(part) for name, part in self._parts.items()}

    def ids(self, name: str) -> tuple[str, ...]:
        """Return the names of the examples of a set."""
        return self._parts[name].ids

    @property
    def _parts(self) -> Mapping[str, SetRows | TextRows | ValueRows]:
        return {**self.sets, **self.texts, **self.values}

    def __getitem__(self, name: str) -> SetRows:
        return self.sets[name]


@dataclass(frozen=True, eq=False)
class References:
    """The models a value is set beside; a gold model that is itself being scored is not among its own references.

    Attributes:
        original: the model before unlearning.
        gold: models retrained without the forget set, one a seed.
        originals: further models trained on everything, from other seeds (the original is not among them).
        siblings: further models unlearned in the same way from other seeds (the model scored is not among them).
    """

    original: Rows
    gold: tuple[Rows, ...] = ()
    originals: tuple[Rows, ...] = ()
    siblings: tuple[Rows, ...] = ()


@dataclass(frozen=True)
class Score:
    """A metric's value, and what is worth keeping beside it (curves, histograms, values by layer) as plain data."""

    value: float
    details: Mapping[str, Any] = field(default_factory=dict)


class Metric(ABC):
    """One number about a model. Subclasses are frozen dataclasses: their fields are the metric's settings.

    Class attributes:
        title: what tables call it.
        unit: `%` (values are fractions in [0, 1]), `nats`, or empty.
        kind: what it speaks of.
        tasks: the kinds of model it can be measured of.
        goal: which value is best: gold's (`gold`), the largest (`max`) or the smallest (`min`).
        needs: what must be there: `retain`, `holdout`, `gold`, `two golds`, `originals`, `siblings`, `activations`,
            `units` (groups of hidden units that can be exchanged, where there are any), and of a language model
            `generation` (its own answers) and `moments` (of log p over the vocabulary).
        resample: whether the value may be recomputed on resampled examples for a confidence interval (cheap enough).
            Resampled rows hold ids, labels and logits only, of texts what `TextRows.each` gives, and of values all; a
            metric that reads more of them sets it to False.
    """

    title: ClassVar[str]
    unit: ClassVar[str] = ""
    kind: ClassVar[Literal["forgetting", "utility", "privacy", "distance", "recovery"]]
    goal: ClassVar[Literal["gold", "max", "min"]] = "gold"
    needs: ClassVar[frozenset[str]] = frozenset()
    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)
    resample: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the metric of the model that `rows` was measured of.

        Args:
            rows: what was measured of the model.
            against: what was measured of the models it is set beside.
            seed: the seed for whatever the metric draws.
        """

    def resolution(self, rows: Rows) -> float:
        """Return the smallest difference that means anything, the least spread gold models are credited with.

        One forget example for a share, a millionth otherwise; a share of another set overrides it.
        """
        return 1 / rows.counts["forget"] if self.unit == "%" else 1e-6
