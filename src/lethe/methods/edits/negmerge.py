"""Task arithmetic and NegMerge: fine-tune copies to be better at the forget set, then walk the other way."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from torch import Tensor, nn

from lethe.descent import ForgetOnly, Objective
from lethe.errors import ConfigurationError
from lethe.feeds import Draw
from lethe.methods.baselines.finetune import forget_losses
from lethe.methods.edits.edit import Edit
from lethe.methods.edits.line_search import Found, constrained_search
from lethe.methods.edits.merging import merge
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Layers, Scope
from lethe.state_arithmetic import Weights, difference, moved, weights


@dataclass(frozen=True, kw_only=True)
class ForgetFineTune(ForgetOnly):
    """Ordinary training on the forget set alone, min L(θ; D_f) from θ0: what a task vector is taken from."""

    batch_norm: Literal["update", "freeze"] = "freeze"

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the forget loss."""

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            return {"forget": forget_losses(problem, model, draw)}

        return terms


@dataclass(frozen=True, kw_only=True)
class Negation(Edit):
    """θ = θ0 - λ τ with a task vector τ from copies fine-tuned on the forget set.

    λ is the one of `grid` equally spaced values in [0, max_scale] with the lowest forget accuracy among those that
    keep the retain accuracy; that is all the retain set is read for. On a set the original has memorised already
    the task vectors are tiny, and max_scale must be well above 1. Batch norms are frozen throughout, buffers kept.

    Args:
        epochs: passes of each fine-tuning over the forget set.
        batch_size: examples a batch.
        optimizer: `sgd`, `adam` or `adamw`.
        train_head: whether the copies train the last layer too; a zero-shot head stays as it is.
        scale: λ; none searches it.
        max_scale: largest λ of the search.
        grid: number of values of λ, 0 included.
        keep_retain: share of the original's retain accuracy that λ must leave.
    """

    epochs: int = 30
    batch_size: int = 128
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    train_head: bool = True
    scale: float | None = None
    max_scale: float = 1.0
    grid: int = 21
    keep_retain: float = 0.95

    @abstractmethod
    def configurations(self) -> list[tuple[float, float]]:
        """Return the learning rate and weight decay of each fine-tuning."""

    @abstractmethod
    def direction(self, problem: Problem, run: Run) -> Weights:
        """Return the task vector to walk away from."""

    def requirements(self) -> frozenset[str]:
        """The retain set, unless λ is given."""
        return frozenset() if self.scale is not None else frozenset({"retain"})

    def check(self) -> None:
        """Raise ConfigurationError where there is nothing to fine-tune or to search."""
        if not self.configurations():
            raise ConfigurationError("there is no model to fine-tune; give at least one learning rate and weight decay")
        if self.grid < 2 or not self.max_scale > 0 or not 0 < self.keep_retain <= 1:
            raise ConfigurationError(
                f"λ needs grid ≥ 2, max_scale > 0 and 0 < keep_retain ≤ 1, not grid={self.grid}, "
                f"max_scale={self.max_scale}, keep_retain={self.keep_retain}"
            )

    def edited(self, problem: Problem, run: Run) -> Mapping[str, Tensor]:
        """Return θ0 - λ τ."""
        vector = self.direction(problem, run)
        scale = self.scale if self.scale is not None else self.search(problem, vector, run).scale
        return moved(weights(problem.model), vector, -scale)

    def search(self, problem: Problem, vector: Weights, run: Run) -> Found:
        """Return λ and the forget accuracy there."""
        away = {name: -value for name, value in vector.items()}
        scales = [self.max_scale * i / (self.grid - 1) for i in range(1, self.grid)]
        return constrained_search(problem, away, scales, self.keep_retain, run)

    def vectors(self, problem: Problem, run: Run) -> Iterator[Weights]:
        """Yield the task vector of each configuration; every copy starts at θ0 and sees its own order of the data."""
        for k, (rate, decay) in enumerate(self.configurations()):
            tuned = ForgetFineTune(
                epochs=self.epochs, batch_size=self.batch_size, optimizer=self.optimizer, schedule="cosine",
                learning_rate=rate, weight_decay=decay, scope=self.tuned_scope(problem),
            ).unlearn(problem, run.part(f"model-{k}"))  # fmt: skip
            yield difference(tuned, problem.model)

    def tuned_scope(self, problem: Problem) -> Scope:
        """Return what the copies train: the user's scope, without the head where that is frozen."""
        if self.train_head:
            return self.scope
        head = {id(p) for p in problem.task.head(problem.model).parameters()}
        return self.scope & Layers(tuple(n for n, p in problem.model.named_parameters() if id(p) not in head))


@dataclass(frozen=True, kw_only=True)
class TaskArithmetic(Negation):
    """Task arithmetic, θ = θ0 - λ (θ_1 - θ0): negate the task vector of one model fine-tuned on the forget set.

    Args:
        learning_rate: step size of the fine-tuning.
        weight_decay: weight decay of the fine-tuning.

    Source: Ilharco et al. 2023, arXiv:2212.04089.
    """

    learning_rate: float = 1e-4
    weight_decay: float = 0.0

    def configurations(self) -> list[tuple[float, float]]:
        """Return the only one."""
        return [(self.learning_rate, self.weight_decay)]

    def direction(self, problem: Problem, run: Run) -> Weights:
        """Return θ_1 - θ0."""
        return next(self.vectors(problem, run))


@dataclass(frozen=True, kw_only=True)
class NegMerge(Negation):
    """NegMerge: merge all models fine-tuned on the forget set, keeping only what all of them moved in one direction.

    τ = M ⊙ (1/K) Σ_k τ_k with M = 1[|Σ_k sign τ_k| = K]; θ = θ0 - λ τ. One model after the other is trained and
    added to running sums, so the memory does not grow with K; `single_best` and `greedy` hold all task vectors.
    With one configuration it is task arithmetic, to the bit.

    Args:
        learning_rates: the pool holds a model for each pair of a learning rate and a weight decay.
        weight_decays: see learning_rates (the published pool varies augmentation instead, which lethe does not do).
        merge: `consensus` as published, or a baseline over the same pool: `uniform` average, `ties`, `magmax`,
            `single_best` (lowest forget accuracy at its own λ), `greedy` (average, model by model from the best on,
            of those that lower the forget accuracy).

    Source: Kim et al. 2024, arXiv:2410.05583.
    """

    learning_rates: tuple[float, ...] = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
    weight_decays: tuple[float, ...] = (0.0, 1e-4, 1e-2)
    merge: Literal["consensus", "uniform", "ties", "magmax", "single_best", "greedy"] = "consensus"

    def configurations(self) -> list[tuple[float, float]]:
        """Return all pairs."""
        return list(product(self.learning_rates, self.weight_decays))

    def check(self) -> None:
        """Raise ConfigurationError where the merge needs the search that a fixed λ leaves out."""
        super().check()
        if self.merge in ("single_best", "greedy") and self.scale is not None:
            raise ConfigurationError(f"merge={self.merge} compares models by the search for λ; leave out scale")

    def direction(self, problem: Problem, run: Run) -> Weights:
        """Return the merged task vector."""
        vectors = self.vectors(problem, run)
        match self.merge:
            case "single_best" | "greedy":
                return self.chosen(problem, list(vectors), run)
            case rule:
                return merge(vectors, rule)

    def chosen(self, problem: Problem, pool: list[Weights], run: Run) -> Weights:
        """Return the best vector, or the average of those that help, from the best on."""
        scored = sorted(((self.search(problem, vector, run).forget, k) for k, vector in enumerate(pool)))
        lowest, first = scored[0]
        soup = [pool[first]]
        if self.merge == "single_best":
            return pool[first]
        for _, k in scored[1:]:
            forget = self.search(problem, merge([*soup, pool[k]], "uniform"), run).forget
            if forget <= lowest:
                lowest, soup = forget, [*soup, pool[k]]
        return merge(soup, "uniform")
