"""SCAR: move forget features to the nearest wrong class's distribution; distillation on surrogates keeps the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from lethe import losses
from lethe.class_statistics import ClassStatistics
from lethe.descent import Objective
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples, join
from lethe.feeds import Draw, Rows
from lethe.measuring import evaluation, example_outputs
from lethe.methods.descent.class_gaussians import (
    ClassGaussians,
    feature_statistics,
    read_statistics,
    tukey_features,
)
from lethe.methods.descent.nearest_class import NearestClass, nearest_wrong
from lethe.methods.descent.surrogates import surrogates
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification, as_classification
from lethe.tasks.base import device_of


@dataclass(frozen=True, kw_only=True)
class Scar(NearestClass):
    """SCAR: min λ_1 E_f[d_t(x)(x)] + λ_2 E_z[KL(softmax(o(z)/T) ‖ softmax(h(φ(z))))], z surrogates, o the original.

    d_i(x) = ‖W_i (φ̃/‖φ̃‖ - μ_i/‖μ_i‖)‖² with φ̃ = φ^δ and W_i from the class's shrunk correlation matrix;
    t(x) = argmin_{i≠y} d_i(x) on the original. Of the retain set the class statistics are taken before the first step,
    and no image is read after it; with statistics that were kept from training there need be no retain set. Surrogates
    that the original takes for a removed class are left out, and that class's logit in the teacher is set to the least
    of all: otherwise it would be taught again. Without surrogates it takes noise, which keeps less than real images do.
    Both sets go through the network in one pass. Where batch norms train on surrogates that look unlike the data,
    `batch_norm=freeze` keeps more.

    Args:
        surrogate: images from elsewhere, with the task's input column; what they show does not matter.
        surrogate_file: the same as a safetensors file with one tensor, [N, ...].
        noise_count: number of noise images where no surrogates are given.
        statistics: `feature_statistics` of all examples the model was trained on, with this δ; the forget set's are
            taken out exactly.
        statistics_file: the same as a safetensors file of its `tensors()`.
        power: δ.
        gamma1: γ1 of the shrinkage Σ + γ1 v1 I + γ2 v2 (1 - I).
        gamma2: γ2, at most γ1.
        shrink_times: how often it is applied; the release applies it twice, except where a class is removed.
        temperature: T of the teacher alone.
        forget_weight: λ_1.
        retain_weight: λ_2.
        balanced: draw surrogates with replacement, each predicted class as often as any other (the release does so
            where examples are removed at random).

    Source: Bonato et al. 2024, Is Retain Set All You Need in Machine Unlearning?, arXiv:2404.12922; defaults: the
        authors' release, which stops after any step instead of an epoch and finds t(x) at its first visit.
    """

    batch_size: int = 1024
    learning_rate: float = 5e-4
    surrogate: Examples | None = field(default=None, repr=False)
    surrogate_file: str = ""
    noise_count: int = 2000
    statistics: ClassStatistics | None = field(default=None, repr=False)
    statistics_file: str = ""
    power: float = 0.5
    gamma1: float = 3.0
    gamma2: float = 3.0
    shrink_times: int = 1
    temperature: float = 1.0
    forget_weight: float = 1.0
    retain_weight: float = 5.0
    balanced: bool = False

    def requirements(self) -> frozenset[str]:
        """The retain set only where the class statistics come from it."""
        given = self.statistics is not None or self.statistics_file
        return super().requirements() - ({"retain"} if given else frozenset())

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if not (self.power > 0 and self.temperature > 0 and self.forget_weight >= 0 and self.retain_weight >= 0):
            raise ConfigurationError(
                f"power and temperature must be positive and no weight negative, not power={self.power}, "
                f"temperature={self.temperature}, forget_weight={self.forget_weight}, "
                f"retain_weight={self.retain_weight}"
            )
        if not 0 <= self.gamma2 <= self.gamma1 or self.shrink_times < 0 or self.noise_count < 1:
            raise ConfigurationError(
                "gamma2 must be in [0, gamma1], shrink_times not negative and noise_count at least 1, not "
                f"{self.gamma2}, {self.gamma1}, {self.shrink_times}, {self.noise_count}"
            )

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Take the class statistics, put the surrogates in the place of the retain set, and run the loop."""
        self.check()
        task = as_classification(problem.task, "scar")
        left = replace(self, statistics=self.left(problem, task, run))
        found = surrogates(problem, task, self.surrogate, self.surrogate_file, self.noise_count, run)
        return super(Scar, left).unlearn(left.divided(problem, task, found), run)

    def left(self, problem: Problem, task: Classification, run: Run) -> ClassStatistics:
        """Return the class statistics of what is kept."""
        known = self.known(problem, task)
        if known is None:
            return feature_statistics(problem.model, task, problem.kept, run, self.power)
        features = tukey_features(problem.model, task, problem.forget, run, self.power)
        return known.without(features, problem.forget.tensor(task.label).long())

    def known(self, problem: Problem, task: Classification) -> ClassStatistics | None:
        """Return the class statistics that were kept from training, if any; raises InputError where they do not fit."""
        given = read_statistics(Path(self.statistics_file)) if self.statistics_file else self.statistics
        if given is None:
            return None
        first = problem.forget.batch(torch.arange(1)).to(device_of(problem.model))
        with evaluation(problem.model):
            wanted = (task.classes, task.features(problem.model, first).shape[1])
        if tuple(given.sums.shape) != wanted:
            raise InputError(
                f"the class statistics are of {tuple(given.sums.shape)} classes and features, the model has {wanted}; "
                "take them of this model with feature_statistics"
            )
        return given

    def divided(self, problem: Problem, task: Classification, found: Examples) -> Problem:
        """Return the problem with surrogates for the retain set: those the original takes for no removed class."""
        names = (task.input, task.label)
        forget = Examples(problem.forget.ids, {name: problem.forget.columns[name] for name in names})
        gone = self.gone(problem, task)
        kept = (~torch.isin(found.tensor(task.label), gone)).nonzero().flatten()
        if not len(kept):
            raise InputError(
                f"the model takes all {len(found)} surrogates for removed classes; give others, of other things"
            )
        return replace(problem, forget=forget, retain=found.take(kept))

    def gone(self, problem: Problem, task: Classification) -> Tensor:
        """Return the classes that are removed as a whole: the statistics of what is kept have no row of them."""
        assert self.statistics is not None
        labels = problem.forget.tensor(task.label).long().unique()
        return labels[self.statistics.counts[labels] == 0]

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """Return each forget batch beside k batches of surrogates."""
        planned = super().plan(problem, run, epoch)
        if not self.balanced:
            return planned
        task = as_classification(problem.task, "scar")
        shares, generator = balancing(problem.kept.tensor(task.label)), run.generator("balanced", epoch)
        return [
            (forget, torch.multinomial(shares, len(kept), replacement=True, generator=generator))
            for forget, kept in planned
            if kept is not None
        ]

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the distance to the wrong classes and the divergence from the original on the surrogates."""
        task = as_classification(problem.task, "scar")
        assert self.statistics is not None
        gaussians = ClassGaussians.of(self.statistics, self.gamma1, self.gamma2, self.shrink_times)
        features = tukey_features(problem.model, task, problem.forget, run, self.power)
        labels = problem.forget.tensor(task.label).long()
        targets = nearest_wrong(gaussians.distances(features), labels, gaussians.there, "the retain set")
        teacher = example_outputs(problem.model, task, problem.kept, run)
        teacher[:, self.gone(problem, task)] = teacher.min()
        teacher, gaussians = (teacher / self.temperature).to(run.device), gaussians.to(run.device)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.forget is not None
            count, shown = len(draw.forget), draw.forget
            shown = join(shown, draw.retain) if draw.retain is not None else shown
            outputs, features = task.outputs_and_features(model, shown)
            moved = losses.tukey(features[:count], self.power)
            named = {"forget": self.forget_weight * gaussians.distance_to(moved, targets[draw.forget.rows])}
            if draw.retain is not None:
                divergence = losses.kl_divergence(teacher[draw.retain.rows], outputs[count:])
                named["retain"] = self.retain_weight * divergence
            return named

        return terms


def balancing(labels: Tensor) -> Tensor:
    """Return how often each surrogate is drawn, in proportion to 1 / n_c; of fewer than 3 a class counts as 5, [N].

    >>> balancing(torch.tensor([0, 0, 0, 0, 2]))
    tensor([0.2500, 0.2500, 0.2500, 0.2500, 0.2000])
    """
    counts = torch.bincount(labels)
    return 1 / torch.where(counts < 3, 5, counts)[labels].float()
