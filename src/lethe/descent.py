"""Descent: objective × scope × step × weighting, run on the one training loop."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from lethe import feeds
from lethe.errors import ConfigurationError
from lethe.feeds import Draw, Rows
from lethe.loop import Constraint, Loop, run_loop
from lethe.methods.base import Method
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import All, Scope
from lethe.steps import Plain, Step
from lethe.weighting import Uniform, Weighting


class Objective(Protocol):
    """What to minimise, as named terms: "forget", "retain", and whatever else a method adds."""

    def __call__(self, model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
        """Return each term per example, [B], or already reduced to a scalar; the loop takes weights and means."""


@dataclass(frozen=True, kw_only=True)
class Descent(Method):
    """A method that moves the weights by gradients: subclasses say what to minimise, everything else is a value.

    Args:
        epochs: passes over the data, as the method's plan counts them.
        batch_size: examples a batch.
        learning_rate: step size at the start.
        optimizer: `sgd`, `adam` or `adamw`.
        momentum: momentum of SGD.
        weight_decay: weight decay of the optimiser.
        schedule: how the learning rate runs: `constant`, `linear` to zero or `cosine` to zero.
        batch_norm: `update` trains batch-norm statistics with the weights (those of frozen layers stay),
            `freeze` keeps all of them.
        scope: the weights that may move; the others keep their bits.
        step: how gradients become an update.
        weighting: how much each forget example counts.
    """

    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 0.01
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    batch_norm: Literal["update", "freeze"] = "update"
    scope: Scope = field(default_factory=All)
    step: Step = field(default_factory=Plain)
    weighting: Weighting = field(default_factory=Uniform)

    weighable: ClassVar[bool] = True
    """Whether there is a forget term with one value an example, for a weighting to act on."""

    def together(self) -> frozenset[str]:
        """Return the terms that are there together in every step; steps that need more of them are refused."""
        return frozenset({"forget", "retain"})

    @abstractmethod
    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return what to minimise; what it reads off the original model it computes here, once."""

    def start(self, problem: Problem, run: Run) -> nn.Module:
        """Return the model to start from: a copy of the original."""
        return copied(problem.model)

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """Return the rows each step of an epoch sees: by default forget and retain batches side by side."""
        return feeds.paired(problem, run, epoch, self.batch_size)

    def reach(self) -> Scope:
        """Return the weights that may move; methods with a scope of their own combine it with the user's."""
        return self.scope

    def weigher(self) -> Weighting:
        """Return how much each forget example counts; methods with a weighting of their own return it."""
        return self.weighting

    def constraints(self, problem: Problem, model: nn.Module, steps: int) -> Sequence[Constraint]:
        """Return what must hold after every step beside the mask."""
        return ()

    def check(self) -> None:
        """Raise ConfigurationError where the parts do not fit together."""
        name = type(self).__name__
        missing = sorted(self.step.needs - self.together())
        if missing:
            raise ConfigurationError(
                f"{name} cannot take the step {type(self.step).__name__}: it compares the forget and the retain "
                f"gradient in every step, and {name} has no {' and no '.join(missing)} term there"
            )
        if not self.weighable and not isinstance(self.weigher(), Uniform):
            raise ConfigurationError(f"{name} has no forget term for {type(self.weigher()).__name__} to weigh")
        for what, value in (("epochs", self.epochs), ("batch_size", self.batch_size)):
            if value < 1:
                raise ConfigurationError(f"{what} must be at least 1, not {value}")
        if not self.learning_rate > 0 or not math.isfinite(self.learning_rate):
            raise ConfigurationError(f"learning_rate must be a positive number, not {self.learning_rate}")

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop on a copy of the model and return it."""
        self.check()
        model = self.start(problem, run).to(run.device)
        bound = self.reach().mask(problem, run).bind(model, problem.model)
        objective, weigh = self.objective(problem, run), self.weigher().bind(problem, run)
        steps = sum(len(self.plan(problem, run, epoch)) for epoch in range(self.epochs))

        def reduced(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            named = dict(objective(model, draw))
            if weigh is not None and draw.forget is not None and "forget" in named:
                named["forget"] = named["forget"] * weigh(model, draw.forget)
            return {name: value.mean() if value.dim() else value for name, value in named.items()}

        def prepare() -> None:
            model.train()
            bound.freeze_norms(everywhere=self.batch_norm == "freeze")

        try:
            run_loop(
                Loop(
                    model=model,
                    epochs=self.epochs,
                    plan=lambda epoch: self.plan(problem, run, epoch),
                    batch=lambda rows, epoch, step: feeds.draw(problem, rows, epoch, step, run.device),
                    objective=reduced,
                    step=self.step,
                    optimizer=self.make_optimizer(model),
                    rate=self.rate,
                    prepare=prepare,
                    constraints=(*self.constraints(problem, model, steps), bound),
                ),
                run,
            )
        finally:
            bound.release()
            model.eval()
        return model

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser over the weights that may move; raises ConfigurationError where there are none."""
        weights = [p for p in model.parameters() if p.requires_grad]
        if not weights:
            raise ConfigurationError(f"the scope {self.reach()} leaves no weight to move; choose a larger one")
        made: torch.optim.Optimizer
        if self.optimizer == "sgd":
            made = torch.optim.SGD(
                weights, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
            )
        else:
            kind = torch.optim.Adam if self.optimizer == "adam" else torch.optim.AdamW
            made = kind(weights, lr=self.learning_rate, weight_decay=self.weight_decay)
        for group in made.param_groups:
            group["initial_lr"] = self.learning_rate
        return made

    def rate(self, step: int, total: int) -> float:
        """Return the factor on the learning rate at a step."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "linear":
            return 1 - step / total
        return 0.5 * (1 + math.cos(math.pi * step / total))


@dataclass(frozen=True, kw_only=True)
class ForgetOnly(Descent):
    """A descent that never sees a retain example."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def together(self) -> frozenset[str]:
        """Only the forget term exists."""
        return frozenset({"forget"})

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over the forget set."""
        return feeds.forget_pass(problem, run, epoch, self.batch_size)
