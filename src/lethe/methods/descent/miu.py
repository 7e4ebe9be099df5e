"""MIU: unlearn what features tell of an example's group on the forget set, and keep what they tell on the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import feeds
from lethe.descent import Descent, Objective
from lethe.errors import ConfigurationError, Diverged
from lethe.examples import Batch, join, shuffled
from lethe.feeds import Draw, Rows
from lethe.measuring import evaluation, over_examples
from lethe.methods.descent.information_estimator import Estimators, torn_groups
from lethe.methods.descent.moving_features import moving_features
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification, as_classification
from lethe.tasks.base import device_of
from lethe.weighting import Reweight, Uniform, Weighting, groups

PLACE = "information_estimators"  # where they hang on the model while it is unlearned
MOMENTUM = 0.9


@dataclass(frozen=True, kw_only=True)
class MIU(Descent):
    """MIU: at first min Î_u(z; g) on the forget set, then min CE + λ (Î_u(z_θ; g) - Î_o(z_θ0; g))² on the retain set.

    z are the features, g the groups (class and sensitive attribute), Î_u and Î_o two estimates of mutual information,
    whose networks (MINE) are trained on a few batches of all training data before each epoch, in eval mode. Retain
    examples are drawn so that groups stand in them as before (`Reweight`). With `alignment_weight`=0, `forget_epochs`=0
    and no reweighting it is fine-tuning, to the bit.

    Args:
        sensitive: column of the sensitive attribute, integers from 0; empty takes the classes for groups.
        reweight: draw retain examples by group; otherwise in the order of a plain pass.
        forget_epochs: how many of the epochs begin with a pass over the forget set.
        alignment_weight: λ.
        hidden: width of the two networks.
        unit_scale: divide features by the original's mean norm before the two networks see them. The release does not,
            with an `estimator_rate` of 0.01: on features of norm 60 they diverge, whatever is to be unlearned.
        estimator_rate: their learning rate (SGD with momentum 0.9).
        first_batches: batches they learn on before the first epoch.
        later_batches: batches before each later epoch.
        average_rate: how much a batch counts in the moving average of their gradient.
        torn: groups that do not belong to the features: `uniform` over all groups, as in the release, or `permute` the
            batch's own.
        original_learns: features that Î_o's network learns on: the `original`'s, or the `unlearned` model's as in the
            release (the same before the first epoch).

    Source: De Min et al. 2025, arXiv:2503.09330; defaults: the authors' release for CelebA. Its clipping of Î's
        gradient has no effect and is left out.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    aims: ClassVar[str] = "suppression"
    weighable: ClassVar[bool] = False
    divisible: ClassVar[bool] = False  # Î is of a batch

    epochs: int = 10
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    sensitive: str = ""
    reweight: bool = True
    forget_epochs: int = 5
    alignment_weight: float = 10.0
    hidden: int = 512
    unit_scale: bool = True
    estimator_rate: float = 0.1
    first_batches: int = 100
    later_batches: int = 10
    average_rate: float = 0.01
    torn: Literal["uniform", "permute"] = "uniform"
    original_learns: Literal["original", "unlearned"] = "original"

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range, or retain examples would be drawn twice."""
        super().check()
        if not isinstance(self.weighting, Uniform) and self.reweight:
            raise ConfigurationError("miu draws retain examples by group itself; set reweight to false for another way")
        if self.forget_epochs < 0 or self.alignment_weight < 0 or self.first_batches < 1 or self.later_batches < 0:
            raise ConfigurationError(
                "forget_epochs, alignment_weight and later_batches must not be negative and first_batches at least 1, "
                f"not {self.forget_epochs}, {self.alignment_weight}, {self.later_batches} and {self.first_batches}"
            )
        if self.hidden < 1 or not self.estimator_rate > 0 or not 0 < self.average_rate < 1:
            raise ConfigurationError(
                "hidden must be at least 1, estimator_rate positive and average_rate in (0, 1), not "
                f"{self.hidden}, {self.estimator_rate} and {self.average_rate}"
            )

    def together(self) -> frozenset[str]:
        """The two sets take turns."""
        return frozenset()

    def weigher(self) -> Weighting:
        """Draw retain examples by group."""
        return Reweight(self.sensitive) if self.reweight else self.weighting

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """The forget set first, in the epochs that have a forget pass, then the retain set."""
        retain = feeds.retain_pass(problem, run, epoch, self.batch_size)
        if epoch >= self.forget_epochs:
            return retain
        return [*feeds.forget_pass(problem, run, epoch, self.batch_size), *retain]

    def start(self, problem: Problem, run: Run) -> nn.Module:
        """Return a copy of the original with the estimators attached, so that snapshots hold them."""
        if run.precision == "bf16":
            raise ConfigurationError("miu's estimators need float32; use the precision fp32 or mixed")
        model = copied(problem.model)
        first = problem.forget.batch(torch.arange(1)).to(device_of(model))
        with evaluation(model):
            width = problem.task.features(model, first).shape[1]
        task = as_classification(problem.task, "miu")
        count = 1 + int(torch.cat(groups(problem, task, self.sensitive)).max())
        model.add_module(PLACE, Estimators(width, count, self.hidden, run.generator("estimators")))
        return model

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop and take the estimators off the model."""
        try:
            model = super().unlearn(problem, run)
        except Diverged as error:
            if error.model is not None:
                delattr(error.model, PLACE)
            raise
        delattr(model, PLACE)
        return model

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the information of the forget batch, or the retain loss and how far the information has moved."""
        task = as_classification(problem.task, "miu")
        lessons = Lessons.of(self, problem, task, run)
        forgotten = len(problem.forget)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            estimators = lessons.taught(model, draw.epoch)
            generator, rate = run.generator("torn", draw.step), self.average_rate
            if draw.forget is not None:
                own = lessons.groups[draw.forget.rows].to(run.device)
                others = torn_groups(own, lessons.count, self.torn, generator)
                features = moving_features(task, model, draw.forget, "miu")
                return {"forget": estimators.unlearned.information(features / lessons.scale, own, others, rate)}
            assert draw.retain is not None
            outputs, features = task.outputs_and_features(model, draw.retain)
            named = {"retain": task.losses_from(outputs, draw.retain)}
            if self.alignment_weight:
                rows = forgotten + draw.retain.rows
                own = lessons.groups[rows].to(run.device)
                others = torn_groups(own, lessons.count, self.torn, generator)
                moved = estimators.unlearned.information(features / lessons.scale, own, others, rate)
                kept = estimators.original.information(lessons.features[rows].to(run.device), own, others, rate)
                named["retain_information"] = self.alignment_weight * (moved - kept.detach()).square()
            return named

        return terms


@dataclass(frozen=True, eq=False)
class Lessons:
    """What the two estimators learn before each epoch.

    Attributes:
        method: says how.
        problem: whose training data they learn on.
        task: how the model is fed.
        run: where the randomness comes from.
        features: [N, d] the original's over `scale`, of the forget set and then the retain set.
        groups: [N] of the same.
        first: the estimators after their first lesson.
        scale: what features are divided by.
    """

    method: MIU
    problem: Problem
    task: Classification
    run: Run
    features: Tensor
    groups: Tensor
    first: Estimators
    scale: float

    @classmethod
    def of(cls, method: MIU, problem: Problem, task: Classification, run: Run) -> Lessons:
        """Return them after the first lesson, for which the original is all they need."""
        features = torch.cat(
            [
                over_examples(problem.model, task, examples, run, task.features, "features").float()
                for examples in (problem.forget, problem.kept)
            ]
        )
        scale = float(features.norm(dim=-1).mean()) if method.unit_scale else 1.0
        numbers = torch.cat(groups(problem, task, method.sensitive))
        first = Estimators(features.shape[1], 1 + int(numbers.max()), method.hidden, run.generator("estimators")).to(
            run.device
        )
        lessons = cls(method, problem, task, run, features / scale, numbers, first, scale)
        lessons.teach(first, None, 0)
        return lessons

    @property
    def count(self) -> int:
        """The number of groups G."""
        return self.first.unlearned.groups

    def taught(self, model: nn.Module, epoch: int) -> Estimators:
        """Return the estimators that hang on the model, after this epoch's lesson if it is still to come."""
        estimators = model.get_submodule(PLACE)
        assert isinstance(estimators, Estimators)
        if int(estimators.epoch) < 0:
            estimators.load_state_dict(self.first.state_dict())
        if int(estimators.epoch) < epoch:
            self.teach(estimators, model, epoch)
        return estimators

    def teach(self, estimators: Estimators, model: nn.Module | None, epoch: int) -> None:
        """Let both learn on batches of all training data, with features of the model (of the original for None)."""
        method, generator = self.method, self.run.generator("lesson", epoch)
        wanted = method.later_batches if epoch else method.first_batches
        rates = (method.estimator_rate, MOMENTUM, method.average_rate)
        planned = endless(len(self.groups), method.batch_size, generator)
        for rows in islice(planned, wanted):
            self.run.interrupt_point()
            own = self.groups[rows].to(self.run.device)
            others = torn_groups(own, self.count, method.torn, generator)
            original = self.features[rows].to(self.run.device)
            now = original if model is None else self.current(model, rows)
            estimators.unlearned.learn(now, own, others, *rates)
            learnt = now if method.original_learns == "unlearned" else original
            estimators.original.learn(learnt, own, others, *rates)
        estimators.epoch.fill_(epoch)

    def current(self, model: nn.Module, rows: Tensor) -> Tensor:
        """Return the model's features of rows in ascending order, [B, d], in eval mode."""
        forgotten = len(self.problem.forget)
        chosen: list[Batch] = []
        if bool((rows < forgotten).any()):
            chosen.append(self.problem.forget.batch(rows[rows < forgotten]))
        if bool((rows >= forgotten).any()):
            chosen.append(self.problem.kept.batch(rows[rows >= forgotten] - forgotten))
        batch = join(chosen[0], chosen[1]) if len(chosen) == 2 else chosen[0]
        with evaluation(model):
            return self.task.features(model, batch.to(self.run.device)).float() / self.scale


def endless(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield batches of rows, one shuffle after another, each batch in ascending order."""
    while True:
        for rows in shuffled(count, size, generator):
            yield rows.sort().values
