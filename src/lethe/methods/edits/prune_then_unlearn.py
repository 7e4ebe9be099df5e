"""Prune first, then unlearn: any unlearner gets closer to retraining on a sparse network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

from torch import nn

from lethe.descent import Descent
from lethe.errors import ConfigurationError
from lethe.examples import concatenate
from lethe.methods.base import Method
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.edits.edit import Edit
from lethe.models import assign, copied, read_weights
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import NonZero
from lethe.scopes.pruning import Kind, Pattern, by_magnitude, by_synaptic_flow, zero
from lethe.tasks import Classification


@dataclass(frozen=True, kw_only=True)
class Stretch(FineTune):
    """Some consecutive epochs of a longer training, at the learning rates they have there.

    Args:
        begin: number of the epoch it begins with, from 0.
        whole: epochs of the whole training.
    """

    begin: int = 0
    whole: int = 10

    def rate(self, step: int, total: int) -> float:
        """Return the factor on the learning rate at this place of the whole training."""
        per_epoch = total // self.epochs
        return super().rate(self.begin * per_epoch + step, self.whole * per_epoch)


@dataclass(frozen=True, kw_only=True)
class PruneThenUnlearn(Method):
    """Prune the network, then run any unlearner with the pruned weights fixed at exactly 0.

    Pruning is global and unstructured. `magnitude` zeroes the smallest weights of the original and leaves the mending
    to the unlearner. The others train on all data, retain and forget set together, before anything is forgotten:
    `omp` trains a dense network, prunes it once by magnitude, rewinds what is left to epoch `rewind_epoch` and trains
    it to the end; `imp` does so in rounds, each of which removes a fifth of what is left; `synflow` prunes a fresh
    network without data and trains it once. The published advice is `omp` or `synflow`, at a sparsity of 95 %.
    With the method `Retrain` this is masked retraining, the gold of the sparse case.

    Args:
        sparsity: share s of the prunable weights that goes, in [0, 1).
        pruner: how the weights to go are chosen.
        layers: prune the `convolutions`, or all weight `matrices`; never norms, biases and head.
        method: the unlearner; one that can keep within a scope.
        train_epochs: epochs of each training.
        rewind_epoch: epoch whose weights and learning rate the sparse training goes on from.
        rewind_weights: safetensors file with the original's own weights at that epoch; `omp` then prunes the original
            instead of a dense network of its own.
        train_batch_size: examples a batch of the training.
        train_learning_rate: step size at its start; it falls to 0 along a cosine.

    Source: Jia et al. 2023, arXiv:2304.04934 (IMP: Frankle and Carbin 2019, arXiv:1803.03635; rewinding:
        Frankle et al. 2020, arXiv:1912.05671; SynFlow: Tanaka et al. 2020, arXiv:2006.05467).
    """

    aims: ClassVar[str] = "removal"

    sparsity: float = 0.95
    pruner: Literal["omp", "imp", "synflow", "magnitude"] = "omp"
    layers: Kind = "convolutions"
    method: Method = field(default_factory=FineTune)
    train_epochs: int = 50
    rewind_epoch: int = 8
    rewind_weights: str = ""
    train_batch_size: int = 64
    train_learning_rate: float = 0.05

    def requirements(self) -> frozenset[str]:
        """What the method needs, and the retain set where the pruner trains."""
        training = frozenset() if self.pruner == "magnitude" else frozenset({"retain"})
        return self.method.requirements() | training

    def check(self) -> None:
        """Raise ConfigurationError where the parts do not fit together."""
        if not 0 <= self.sparsity < 1:
            raise ConfigurationError(f"sparsity must be at least 0 and below 1, not {self.sparsity}")
        if not 0 <= self.rewind_epoch < self.train_epochs:
            raise ConfigurationError(
                f"rewind_epoch must be one of the {self.train_epochs} epochs of training, not {self.rewind_epoch}"
            )
        if self.rewind_weights and self.pruner != "omp":
            raise ConfigurationError(f"rewind_weights belong to the pruner omp; {self.pruner} does not read them")
        confined(self.method).check()

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Return the pruned and unlearned model."""
        self.check()
        sparse = self.pruned(problem, run)
        return confined(self.method).unlearn(replace(problem, model=sparse), run)

    def pruned(self, problem: Problem, run: Run) -> nn.Module:
        """Return the sparse network before anything is forgotten."""
        if self.pruner == "magnitude":
            return masked(problem.model, by_magnitude(problem.model, problem.task, self.sparsity, self.layers))
        everything = replace(problem, retain=concatenate(problem.kept, problem.forget))
        if self.pruner == "synflow":
            return self.by_flow(everything, run)
        return self.rewound(everything, run)

    def by_flow(self, problem: Problem, run: Run) -> nn.Module:
        """Return the network that was pruned by synaptic flow and then trained."""
        task, fresh = problem.task, self.fresh(problem, run)
        assert isinstance(task, Classification)
        shape = problem.forget.tensor(task.input).shape[1:]
        pattern = by_synaptic_flow(fresh, task, shape, self.sparsity, self.layers)
        return self.trained(problem, masked(fresh, pattern), 0, run.part("sparse"))

    def rewound(self, problem: Problem, run: Run) -> nn.Module:
        """Return the network after one (OMP) or several (IMP) rounds of pruning, rewinding and training."""
        if self.rewind_weights:
            start, model = copied(problem.model), problem.model
            assign(start, read_weights(Path(self.rewind_weights)))
        else:
            start = self.fresh(problem, run)
            if self.rewind_epoch:
                start = self.trained(problem, start, 0, run.part("start"), until=self.rewind_epoch)
            model = self.trained(problem, start, self.rewind_epoch, run.part("dense"))
        for number, sparsity in enumerate(self.rounds()):
            pattern = by_magnitude(model, problem.task, sparsity, self.layers)
            model = self.trained(problem, masked(start, pattern), self.rewind_epoch, run.part(f"round-{number}"))
        return model

    def rounds(self) -> list[float]:
        """Return the sparsity of each round: for IMP 1 - 0.8^k, the last one cut to the sparsity asked for."""
        if self.pruner == "omp" or self.sparsity == 0:
            return [self.sparsity]
        # Rounded first: 1 - 0.8² is a hair off 0.36, and must not take a third round.
        count = math.ceil(round(math.log(1 - self.sparsity) / math.log(0.8), 6))
        return [min(1 - 0.8**k, self.sparsity) for k in range(1, count)] + [self.sparsity]

    def fresh(self, problem: Problem, run: Run) -> nn.Module:
        """Return the network with newly drawn weights."""
        return problem.task.fresh(problem.model, run.key("initial weights")).to(run.device)

    def trained(self, problem: Problem, model: nn.Module, begin: int, run: Run, until: int = 0) -> nn.Module:
        """Return the model after epochs `begin` to `until` (the end, where 0) of the training; zeros stay zero."""
        training = Stretch(
            epochs=(until or self.train_epochs) - begin, begin=begin, whole=self.train_epochs, schedule="cosine",
            batch_size=self.train_batch_size, learning_rate=self.train_learning_rate, scope=NonZero(),
        )  # fmt: skip
        return training.unlearn(replace(problem, model=model), run)


def masked(model: nn.Module, pattern: Pattern) -> nn.Module:
    """Return a copy of the model with the pruned weights at 0."""
    sparse = copied(model)
    zero(sparse, pattern)
    return sparse


def confined(method: Method) -> Descent | Edit:
    """Return the method with the zeros of its model fixed.

    Raises:
        ConfigurationError: the method has no scope, so that nothing keeps it from filling the zeros.
    """
    if not isinstance(method, (Descent, Edit)):
        raise ConfigurationError(
            f"{type(method).__name__} cannot follow pruning: it has no scope, so it would fill the pruned weights; "
            "take a method that has one"
        )
    return replace(method, scope=method.scope & NonZero())
