"""Method: turns a problem into a new model."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification, Task


class Method(ABC):
    """One published system. Subclasses are frozen dataclasses: their fields are the hyperparameters.

    Class attributes:
        tasks: the kinds of model it works on.
        needs: the optional parts of Problem it reads; checked before anything runs.
        acts_on: what it changes: weights, head, outputs …
        intent: what it removes: examples, class, concept, knowledge, bias.
        exactness: approximate, certified or exact.
        aims: `removal` where it takes back what training put in: retraining, ascent on what was learned, edits of the
            weights that carry it. `suppression` where it teaches another output or representation in its place
            (refusals, other labels, steered features), or blocks it at inference: knowledge may remain underneath.
            `unstated` where nobody has said. It is a claim; what an audit finds is another matter.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    acts_on: ClassVar[str] = "weights"
    intent: ClassVar[str] = "examples"
    exactness: ClassVar[str] = "approximate"
    aims: ClassVar[str] = "unstated"

    @abstractmethod
    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Return a new model; the problem's own model is left as it is."""

    def check(self) -> None:  # noqa: B027 - most methods have nothing to check
        """Raise ConfigurationError where an option is out of range or two do not fit together."""

    def requirements(self) -> frozenset[str]:
        """Return what this configuration reads of the problem; `needs` unless an option changes it."""
        return self.needs

    def ahead(self, problem: Problem, run: Run, folder: Path, count: int) -> Method:
        """Return the method as it is ready for requests, with what it learnt while all training data were there.

        Most methods learn nothing ahead.

        Args:
            problem: the trained model, all it was trained on as retain set, an empty forget set, and holdout data.
            run: seed, device, progress.
            folder: where what is learnt is kept; the same that was learnt before is taken from there.
            count: examples that a request is going to name.
        """
        return self

    def requirements_at_request(self) -> frozenset[str]:
        """Return what it reads of the problem where `ahead` was called before."""
        return self.requirements()

    def reads_labels(self) -> bool:
        """Return whether this configuration reads the label of any example; what it says is tested."""
        return True


def settings(value: Any) -> Any:
    """Return a configuration value as plain data: a dataclass becomes its type's name and the fields that it shows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # A field that is not shown, such as a model, is no setting.
        fields = {f.name: settings(getattr(value, f.name)) for f in dataclasses.fields(value) if f.repr}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, (list, tuple)):
        return [settings(item) for item in value]
    return value
