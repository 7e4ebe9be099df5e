"""Self-forget SCAR: remove a class by images from elsewhere that the model takes for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from lethe import feeds
from lethe.class_statistics import ClassStatistics
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.feeds import Rows
from lethe.methods.descent.class_gaussians import feature_statistics
from lethe.methods.descent.scar import Scar
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification


@dataclass(frozen=True, kw_only=True)
class ScarSelf(Scar):
    """Self-forget SCAR: remove a class without an image of it, by the surrogates that the original takes for it.

    The forget set only says which class: its images are never read. In each batch of surrogates, those that the
    original takes for the class are moved as in SCAR and the others distilled; a batch without one of them is left
    out. All epochs are run: surrogates leave the class long before its own images do, so that a `stop_accuracy`, the
    share of them that is still taken for it, ends too soon (the release looks at the forget set there).

    Args:
        stop_accuracy: share of the class's surrogates still taken for it to fall below; 0 runs all epochs.

    Source: Bonato et al. 2024, Is Retain Set All You Need in Machine Unlearning?, arXiv:2404.12922.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    intent: ClassVar[str] = "class"

    stop_accuracy: float | None = 0.0

    def together(self) -> frozenset[str]:
        """A batch of surrogates may be of the class alone."""
        return frozenset({"forget"})

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range or is not for a class."""
        super().check()
        if self.balanced:
            raise ConfigurationError("scar_self passes over all surrogates; leave out balanced")
        if self.stop_accuracy is None:
            raise ConfigurationError("scar_self reads no holdout set to stop by; give stop_accuracy a number, or 0")

    def left(self, problem: Problem, task: Classification, run: Run) -> ClassStatistics:
        """Return the class statistics without the class."""
        classes = problem.forget.tensor(task.label).long().unique()
        known = self.known(problem, task)
        if known is None:
            known = feature_statistics(problem.model, task, problem.kept, run, self.power)
        return known.without_classes(classes)

    def divided(self, problem: Problem, task: Classification, found: Examples) -> Problem:
        """Return the problem with the surrogates alone: those taken for the class are to be forgotten."""
        ours = torch.isin(found.tensor(task.label), self.gone(problem, task))
        if not bool(ours.any()) or bool(ours.all()):
            raise InputError(
                f"the model takes {int(ours.sum())} of {len(found)} surrogates for the class to remove; give more, "
                "or others: there must be some of it and some of other classes"
            )
        return replace(
            problem, forget=found.take(ours.nonzero().flatten()), retain=found.take((~ours).nonzero().flatten())
        )

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over all surrogates, without the batches that hold none of the class."""
        return [rows for rows in feeds.mixed(problem, run, epoch, self.batch_size) if rows[0] is not None]
