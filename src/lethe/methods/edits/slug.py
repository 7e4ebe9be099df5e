"""SLUG: move one layer along one gradient, as far as it takes to forget."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor, nn

from lethe.errors import ConfigurationError, LetheWarning, nearest
from lethe.examples import Batch, Examples
from lethe.methods.edits.edit import Edit
from lethe.methods.edits.line_search import accuracy
from lethe.methods.edits.pareto import pareto_front, scored, weight_matrices
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes.importance import summed_gradient
from lethe.state_arithmetic import Weights, assign_weights, weights
from lethe.tasks.zero_shot import ZeroShot, towers


@dataclass(frozen=True)
class Candidate:
    """A layer that was searched.

    Attributes:
        layer: name of the parameter.
        step: λ.
        forget: forget accuracy there, in [0, 1].
        erased: whether that is as low as was asked for.
    """

    layer: str
    step: float
    forget: float
    erased: bool


@dataclass(frozen=True, kw_only=True)
class SLUG(Edit):
    """Single layer, single gradient unlearning: θ_l ← θ0_l + λ ∇_l L_f(θ0) for one layer l on a Pareto front.

    G_f and G_r, the gradients of the forget and the retain loss, are taken once, on the original. Of all weight
    matrices those are candidates that no other beats in both importance ‖G_f‖/‖θ‖ and alignment |cos(G_f, G_r)|; in
    CLIP each tower has a front of its own. For each, the least λ at which the forget set is erased is searched from the
    original: doubled until it is, then halved between the ends.

    The front looks at gradients alone, and may leave out a layer that would cost less: of a class of CIFAR-10 and a
    ResNet-20 the head keeps 82 % retain accuracy of 87 %, the best of the front 60 %. Try `layers` as well.

    On a classifier both losses are cross-entropies. On CLIP (`ZeroShot`) L_f = 1 - cos(image, text), and L_r is the
    contrastive loss, which depends on the batch.

    Args:
        batch_size: examples a batch of the two gradients.
        start: first λ, as a share of ‖θ_l‖/‖G_f,l‖.
        evaluations: most values of λ tried a layer.
        within: an example is erased when its label is not among that many likeliest classes. Published is 5, among
            hundreds of identities; of ten classes that would be half.
        erased: forget accuracy that is low enough; published is 0.
        choice: which candidate that erases is taken: the one that keeps most of the retain accuracy (`utility`), or
            the one nearest to the output (`deepest`), which reads no retain example again.
        validation: most retain examples the retain accuracy is measured on, drawn from the run's seed.
        layers: patterns of parameter names to choose from, instead of the front.
        ratio: a λ to take as it is, as a share of ‖θ_l‖/‖G_f,l‖; None searches.
        concept: name of a column; the forget examples of each of its values are taken as a concept of its own, searched
            alone from the original, and all steps are added. Empty takes the forget set as one.

    Source: Cai et al. 2025, Targeted Unlearning with Single Layer Unlearning Gradient, arXiv:2407.11867. Which of the
        candidates is taken is left to the reader there.
    """

    intent: ClassVar[str] = "class"

    batch_size: int = 16
    start: float = 0.1
    evaluations: int = 10
    within: int = 1
    erased: float = 0.0
    choice: Literal["utility", "deepest"] = "utility"
    validation: int = 1000
    layers: tuple[str, ...] = ()
    ratio: float | None = None
    concept: str = ""

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        if min(self.batch_size, self.evaluations, self.within, self.validation) < 1:
            raise ConfigurationError("batch_size, evaluations, within and validation must be at least 1")
        if not (self.start > 0 and 0 <= self.erased < 1 and (self.ratio is None or self.ratio >= 0)):
            raise ConfigurationError(
                "start must be positive, erased in [0, 1) and ratio not negative, not "
                f"start={self.start}, erased={self.erased}, ratio={self.ratio}"
            )

    def edited(self, problem: Problem, run: Run) -> Mapping[str, Tensor]:
        """Return the layers that move, with all concepts' steps added."""
        origin, allowed = weights(problem.model), self.scope.mask(problem, run).allowed
        retain = self._gradient(problem, problem.kept, "retain", run)
        moved: dict[str, Tensor] = {}
        for concept in concepts(problem.forget, self.concept):
            forget = self._gradient(problem, concept, "forget", run)
            forget = {
                name: value * (flag.to(value.device) if isinstance(flag := allowed.get(name, False), Tensor) else flag)
                for name, value in forget.items()
            }
            found = self._searched(
                replace(problem, forget=concept), forget, self._candidates(problem, forget, retain), run
            )
            moved[found.layer] = moved.get(found.layer, origin[found.layer]) + found.step * forget[found.layer]
        return moved

    def _gradient(self, problem: Problem, examples: Examples, name: Literal["forget", "retain"], run: Run) -> Weights:
        """Return the mean over batches of a loss's gradient, by parameter name."""
        task = problem.task

        def loss(model: nn.Module, batch: Batch) -> Tensor:
            if not isinstance(task, ZeroShot):
                return task.losses(model, batch).mean()
            return task.pair_losses(model, batch).mean() if name == "forget" else task.contrastive_loss(model, batch)

        total = summed_gradient(problem.model, examples, loss, self.batch_size, run)
        count = math.ceil(len(examples) / self.batch_size)
        return {key: value / count for key, value in total.items()}

    def _candidates(self, problem: Problem, forget: Weights, retain: Weights) -> list[str]:
        """Return the layers to search, from input to output."""
        names, origin = weight_matrices(problem.model), weights(problem.model)
        for pattern in self.layers:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise ConfigurationError(f"no weight matrix of the model matches '{pattern}'{nearest(pattern, names)}")
        chosen = [name for name in names if any(fnmatchcase(name, pattern) for pattern in self.layers)]
        if self.layers:
            found = list(scored(chosen, origin, forget, retain))
        else:
            parts = towers(problem.task, names).values()
            found = [name for part in parts for name in pareto_front(scored(part, origin, forget, retain))]
        if not found:
            raise ConfigurationError(
                f"no weight matrix that {self.scope} allows has a forget gradient to move along; allow other layers"
            )
        return found

    def _searched(self, problem: Problem, forget: Weights, names: list[str], run: Run) -> Candidate:
        """Return the best candidate; warn where no layer erases the forget set."""
        trial, origin = copied(problem.model), weights(problem.model)
        candidates = [self._search(problem, trial, origin, forget[name], name, run) for name in names]
        erasing = [candidate for candidate in candidates if candidate.erased]
        if self.ratio is None and not erasing:
            best = min(candidates, key=lambda candidate: candidate.forget)
            warnings.warn(
                f"SLUG erases the forget set by none of {len(names)} layers: {best.forget:.1%} of it is still told by "
                f"'{best.layer}'; raise evaluations, or try another start",
                LetheWarning,
                stacklevel=2,
            )
            return best
        among = erasing or candidates
        if self.choice == "deepest" or len(among) == 1:
            return among[-1]
        sample = problem.kept.sample(self.validation, run.generator("slug validation"))

        def utility(candidate: Candidate) -> float:
            with stepped(trial, origin, forget[candidate.layer], candidate.layer, candidate.step):
                return accuracy(trial, problem.task, sample, run)

        return max(among, key=utility)

    def _search(
        self, problem: Problem, trial: nn.Module, origin: Weights, direction: Tensor, name: str, run: Run
    ) -> Candidate:
        """Return the least λ that erases, or the last tried where none does."""
        length = float(origin[name].norm() / direction.norm())

        def tried(step: float) -> Candidate:
            with stepped(trial, origin, direction, name, step):
                forget = accuracy(trial, problem.task, problem.forget, run, self.within)
            return Candidate(name, step, forget, forget <= self.erased)

        if self.ratio is not None:
            return tried(self.ratio * length)
        low, high, step, best = 0.0, math.inf, self.start * length, None
        for _ in range(self.evaluations):
            found = tried(step)
            if found.erased:
                high = step
            else:
                low = step
            if best is None or found.erased or (not best.erased and found.forget < best.forget):
                best = found
            step = 2 * step if high == math.inf else (low + high) / 2
        assert best is not None
        return best


@contextmanager
def stepped(model: nn.Module, origin: Weights, direction: Tensor, name: str, step: float) -> Iterator[None]:
    """Let one layer of the model be θ0 + λ · direction within the block, and θ0 again after it."""
    assign_weights(model, {name: origin[name] + step * direction})
    try:
        yield
    finally:
        assign_weights(model, {name: origin[name]})


def concepts(examples: Examples, column: str) -> list[Examples]:
    """Return the examples of each value of a column apart, or all of them as one where no column is named.

    Raises:
        ConfigurationError: there is no such column.
    """
    if not column:
        return [examples]
    if column not in examples.columns:
        raise ConfigurationError(f"the forget set has no column '{column}'{nearest(column, examples.columns)}")
    values = np.asarray(examples[column])
    return [examples.take(np.flatnonzero(values == value).tolist()) for value in np.unique(values)]
