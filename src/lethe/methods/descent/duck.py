"""DUCK: pull the features of forget examples to the nearest centroid of a wrong class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from lethe import losses
from lethe.class_statistics import class_means
from lethe.descent import Descent, Objective
from lethe.errors import ConfigurationError
from lethe.examples import Batch, join, shuffled
from lethe.feeds import Draw, Rows, forget_pass
from lethe.measuring import over_examples
from lethe.methods.descent.nearest_class import NearestClass, nearest_wrong
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification, as_classification


@dataclass(frozen=True, eq=False)
class Centroids:
    """The mean feature of each class, as the original saw it.

    Attributes:
        means: [C, d].
        there: [C] whether the class had an example; one that is removed as a whole has none.
    """

    means: Tensor
    there: Tensor

    @classmethod
    def of(cls, problem: Problem, task: Classification, most: int, run: Run) -> Centroids:
        """Return the centroids of the retain set, or of `most` of its examples, on the problem's model."""
        seen = problem.kept.sample(most, run.generator("centroids")) if most else problem.kept
        features = over_examples(problem.model, task, seen, run, task.features, "centroids")
        counts, means = class_means(features, seen.tensor(task.label).long(), task.classes)
        return cls(means.float(), counts > 0)

    def targets(self, model: nn.Module, problem: Problem, task: Classification, run: Run) -> Tensor:
        """Return the wrong class whose centroid is nearest to each forget example's features in eval mode, [N]."""
        means = self.means.to(run.device)

        def distances(model: nn.Module, batch: Batch) -> Tensor:
            return losses.cosine_distance(task.features(model, batch).unsqueeze(1), means)

        found = over_examples(model, task, problem.forget, run, distances, "nearest centroids")
        return nearest_wrong(found, problem.forget.tensor(task.label).long(), self.there, "the retain set")


@dataclass(frozen=True, kw_only=True)
class Duck(NearestClass):
    """DUCK: min λ_f E_f[1 - cos(φ(x), μ_t(x))] + λ_r E_r[CE(h(φ(x))/T, y)], μ_i the original's mean feature of class i.

    t(x) = argmin_{i≠y} 1 - cos(φ_0(x), μ_i) is found once, on the original. (The release finds it at every step of the
    first epoch anew and then looks it up by the number of the batch, so that shuffled batches get one another's.)
    Examples that carry a wrong label are forgotten far below the holdout accuracy by retraining: there, set
    `stop_accuracy`.

    Args:
        temperature: T of the retain loss.
        forget_weight: λ_f.
        retain_weight: λ_r.
        label_smoothing: of the retain loss; published for TinyImageNet: 0.2.
        centroid_examples: retain examples that the centroids are taken from; 0 takes all.
        clean_up: the release's second phase: 2 epochs of Adam at 1e-4 with a cosine, λ_f/10 and λ_r = 1, both sets in
            one forward pass, 512 retain beside at most 128 forget examples, targets found anew. A forget set of removed
            classes gives one batch an epoch for a pass over the retain set, others 20 retain batches to each of theirs.

    Source: Cotogni et al. 2023, arXiv:2312.02052; defaults and clean-up: the authors' release (which also augments).
    """

    epochs: int = 200
    batch_size: int = 256
    learning_rate: float = 4e-4
    retain_batches: int = 40
    temperature: float = 2.0
    forget_weight: float = 1.0
    retain_weight: float = 1.4
    label_smoothing: float = 0.0
    centroid_examples: int = 12_800
    clean_up: bool = False

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if not (self.temperature > 0 and self.forget_weight >= 0 and self.retain_weight >= 0):
            raise ConfigurationError(
                "temperature must be positive and no weight negative, not "
                f"temperature={self.temperature}, forget_weight={self.forget_weight}, "
                f"retain_weight={self.retain_weight}"
            )
        if not 0 <= self.label_smoothing < 1 or self.centroid_examples < 0:
            raise ConfigurationError(
                "label_smoothing must be in [0, 1) and centroid_examples not negative, not "
                f"{self.label_smoothing} and {self.centroid_examples}"
            )

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop, and the clean-up where it is asked for."""
        if not self.clean_up:
            return super().unlearn(problem, run)
        self.check()
        if run.keep is not None:
            raise ConfigurationError(
                "duck cannot keep its best state with clean_up, which comes after it: leave out one"
            )
        model = replace(self, clean_up=False).unlearn(problem, run.part("unlearning"))
        task = as_classification(problem.task, "duck")
        cleaning = CleanUp(
            centroids=Centroids.of(problem, task, self.centroid_examples, run.part("unlearning")),
            forget_weight=self.forget_weight / 10,
            temperature=self.temperature,
            label_smoothing=self.label_smoothing,
            weight_decay=self.weight_decay,
            batch_norm=self.batch_norm,
            micro_batch=self.micro_batch,
            scope=self.scope,
            step=self.step,
            weighting=self.weighting,
        )
        return cleaning.unlearn(replace(problem, model=model), run.part("clean-up"))

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the distance to the wrong centroids and the cross-entropy."""
        task = as_classification(problem.task, "duck")
        centroids = Centroids.of(problem, task, self.centroid_examples, run)
        wanted = centroids.means[centroids.targets(problem.model, problem, task, run)].to(run.device)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.forget is not None
            assert draw.retain is not None
            away = losses.cosine_distance(task.features(model, draw.forget), wanted[draw.forget.rows])
            logits = task.outputs(model, draw.retain) / self.temperature
            kept = F.cross_entropy(
                logits, task.labels(draw.retain), reduction="none", label_smoothing=self.label_smoothing
            )
            return {"forget": self.forget_weight * away, "retain": self.retain_weight * kept}

        return terms


@dataclass(frozen=True, kw_only=True)
class CleanUp(Descent):
    """The second phase of DUCK's release: mostly the retain set, with a tenth of the pull.

    Args:
        centroids: those of the original.
        forget_weight: weight of the pull.
        temperature: T of the retain loss.
        label_smoothing: of the retain loss.
        forget_batch: most forget examples in a step.
        retain_batches: retain batches beside each forget batch where no class is removed as a whole.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"retain"})

    epochs: int = 2
    batch_size: int = 512
    learning_rate: float = 1e-4
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    centroids: Centroids = field(repr=False)
    forget_weight: float
    temperature: float
    label_smoothing: float
    forget_batch: int = 128
    retain_batches: int = 20

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """Return one forget batch beside all retain batches, or each beside the first of a fresh shuffle."""
        task = as_classification(problem.task, "duck")
        forget = [rows for rows, _ in forget_pass(problem, run, epoch, self.forget_batch)]
        labels = problem.forget.tensor(task.label).long()
        whole = not bool(self.centroids.there[labels].any())
        planned: list[Rows] = []
        for place, rows in enumerate(forget[:1] if whole else forget):
            order = shuffled(len(problem.kept), self.batch_size, run.generator("retain beside", epoch, place))
            planned += [(rows, kept) for kept in (order if whole else order[: self.retain_batches])]
        return planned

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return both terms of one forward pass; the targets are those nearest to where the first phase ended."""
        task = as_classification(problem.task, "duck")
        targets = self.centroids.targets(problem.model, problem, task, run)
        wanted = self.centroids.means[targets].to(run.device)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.forget is not None
            assert draw.retain is not None
            outputs, features = task.outputs_and_features(model, join(draw.forget, draw.retain))
            count = len(draw.forget)
            away = losses.cosine_distance(features[:count], wanted[draw.forget.rows])
            kept = F.cross_entropy(
                outputs[count:] / self.temperature,
                task.labels(draw.retain),
                reduction="none",
                label_smoothing=self.label_smoothing,
            )
            return {"forget": self.forget_weight * away, "retain": kept}

        return terms
