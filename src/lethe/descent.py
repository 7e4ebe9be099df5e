"""Descent: objective × scope × step × weighting, run on the one training loop."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from lethe import feeds
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.feeds import Draw, Rows
from lethe.loop import Constraint, Loop, run_loop
from lethe.methods.base import Method
from lethe.models import copied, gathered, recomputing
from lethe.parallel import require_whole
from lethe.parts import Part, parts
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import All, Bound, Scope
from lethe.steps import Plain, Step
from lethe.tasks import as_causal_lm
from lethe.training_loss import training_loss
from lethe.weighting import Uniform, Weighting

Made = TypeVar("Made")


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
        warmup_epochs: epochs over which the learning rate rises from zero, before the schedule begins.
        batch_norm: `update` trains batch-norm statistics with the weights (those of frozen layers stay),
            `freeze` keeps all of them.
        micro_batch: most examples of either set in one forward pass: batches are cut into parts whose gradients add up
            to the same update in less memory; 0 sets no limit.
        checkpointing: keep no activations of a Hugging Face model's blocks but compute them again for the gradient.
        scope: the weights that may move; the others keep their bits.
        step: how gradients become an update.
        weighting: how much each forget example counts, or how often each retain example is drawn.
    """

    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 0.01
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_epochs: float = 0.0
    batch_norm: Literal["update", "freeze"] = "update"
    micro_batch: int = 0
    checkpointing: bool = False
    scope: Scope = field(default_factory=All)
    step: Step = field(default_factory=Plain)
    weighting: Weighting = field(default_factory=Uniform)

    weighable: ClassVar[bool] = True
    """Whether there is a forget term with one value an example, for a weighting to act on."""

    divisible: ClassVar[bool] = True
    """Whether the terms of a batch are sums over its examples, so that it may be cut into parts."""

    def together(self) -> frozenset[str]:
        """Return the terms that are there together in every step; steps that need more of them are refused."""
        return frozenset({"forget", "retain"})

    @abstractmethod
    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return what to minimise; what it reads off the original model it computes here, once."""

    def start(self, problem: Problem, run: Run) -> nn.Module:
        """Return the model to start from: a copy of the original."""
        return copied(problem.model)

    def substitutes(self, problem: Problem, run: Run, epoch: int) -> Mapping[str, Examples]:
        """Return what stands in an epoch beside the forget set, row for row: the same examples with other answers."""
        return {}

    def enough(self, problem: Problem, run: Run) -> Callable[[nn.Module], bool] | None:
        """Return the rule that, asked between two epochs, ends the run before its last; None runs all of them."""
        return None

    def reads_original(self) -> bool:
        """Whether the original is read while the weights move; otherwise it makes room on the device before."""
        return True

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """Return the rows each step of an epoch sees: by default forget and retain batches side by side."""
        return feeds.paired(problem, run, epoch, self.batch_size)

    def drawn(self, problem: Problem, run: Run, shares: Tensor | None, epoch: int) -> Sequence[Rows]:
        """Return the plan of an epoch, its retain examples drawn by their shares where a weighting gives some."""
        planned = self.plan(problem, run, epoch)
        return planned if shares is None else feeds.redrawn(planned, shares, run.generator("drawn by share", epoch))

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
        missing = sorted(self.step.requirements() - self.together())
        if missing:
            raise ConfigurationError(
                f"{name} cannot take the step {type(self.step).__name__}: it compares the forget and the retain "
                f"gradient in every step, and {name} has no {' and no '.join(missing)} term there"
            )
        weighed, there = self.weigher().weighs, {"forget": self.weighable, "retain": "retain" in self.requirements()}
        for which in sorted(weighed):
            if not there[which]:
                raise ConfigurationError(f"{name} has no {which} term for {type(self.weigher()).__name__} to weigh")
        for what, value in (("epochs", self.epochs), ("batch_size", self.batch_size)):
            if value < 1:
                raise ConfigurationError(f"{what} must be at least 1, not {value}")
        if not self.learning_rate > 0 or not math.isfinite(self.learning_rate):
            raise ConfigurationError(f"learning_rate must be a positive number, not {self.learning_rate}")
        if self.micro_batch < 0 or self.warmup_epochs < 0:
            raise ConfigurationError(
                f"micro_batch and warmup_epochs must not be negative, not {self.micro_batch} and {self.warmup_epochs}"
            )
        if self.micro_batch and not self.divisible:
            raise ConfigurationError(
                f"{name} compares the examples of a batch; it cannot be cut: leave out micro_batch"
            )

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop on a copy of the model and return it."""
        self.check()
        model = self.start(problem, run).to(run.device)
        if run.precision == "bf16":
            model = model.to(torch.bfloat16)
        bound = self.reach().bind(model, problem, run)
        objective, weigh = self.objective(problem, run), self.weigher().bind(problem, run)
        plan = partial(self.drawn, problem, run, self.weigher().shares(problem))
        if run.spare is problem.model and not self.reads_original():
            problem.model.cpu()
        steps = sum(len(plan(epoch)) for epoch in range(self.epochs))
        self.step.check(steps)
        substitutes = Latest(lambda epoch: self.substitutes(problem, run, epoch))

        def batch(rows: Rows, epoch: int, step: int) -> Draw:
            drawn = feeds.draw(problem, rows, epoch, step, run.device)
            if drawn.forget is None:
                return drawn
            others = {
                name: problem.task.prepare(examples.batch(drawn.forget.rows)).to(run.device)
                for name, examples in substitutes(epoch).items()
            }
            return replace(drawn, substitutes=others, weights=weigh(model, drawn.forget) if weigh else None)

        def cut(drawn: Draw) -> Sequence[Part]:
            if not self.divisible:
                return [Part(drawn, 1.0, 1.0, 1.0)]
            return parts(drawn, problem.task, self.micro_batch, run.parallel.count, problem.task.pads(model))

        def reduced(model: nn.Module, part: Part) -> Mapping[str, Tensor]:
            with run.autocast():
                named = dict(objective(model, part.draw))
            if part.draw.weights is not None and "forget" in named:
                named["forget"] = named["forget"] * part.draw.weights
            return {name: part.reduced(name, value) for name, value in named.items()}

        def prepare() -> None:
            model.train()
            bound.freeze_norms(everywhere=self.batch_norm == "freeze")

        shell = self._sharded(model, bound, problem, run)
        try:
            with recomputing(model, self.checkpointing):
                run_loop(
                    Loop(
                        model=model,
                        epochs=self.epochs,
                        plan=plan,
                        batch=batch,
                        cut=cut,
                        objective=reduced,
                        step=self.step,
                        optimizer=self.make_optimizer(model),
                        rate=self.rate,
                        prepare=prepare,
                        training=training_loss(problem, run, self.micro_batch),
                        enough=self.enough(problem, run),
                        constraints=(*self.constraints(problem, model, steps), bound),
                    ),
                    run,
                )
        finally:
            kept = gathered(model, shell) if shell is not None else model
            bound.release(kept)
            kept.eval()
        return kept

    def _sharded(self, model: nn.Module, bound: Bound, problem: Problem, run: Run) -> nn.Module | None:
        """Spread the weights over the processes where that was asked for, and return a copy to gather them in."""
        if not run.parallel.sharded:
            return None
        if bound.divides or self.constraints(problem, model, 1):
            require_whole(run.parallel, f"{type(self).__name__} with {self.reach()}")
        shell = copied(model).cpu()
        run.parallel.shard(model, list(as_causal_lm(problem.task, "FSDP").blocks(model)))
        return shell

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser over the weights that may move; raises ConfigurationError where there are none."""
        weights = [p for p in model.parameters() if p.requires_grad]
        if not weights:
            raise ConfigurationError(f"the scope {self.reach()} leaves no weight to move; choose a larger one")
        made = self.step.optimizer(weights, self.learning_rate, self.weight_decay) or self._own_optimizer(weights)
        for group in made.param_groups:
            group["initial_lr"] = group["lr"]
        return made

    def _own_optimizer(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        if self.optimizer == "sgd":
            return torch.optim.SGD(
                weights, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
            )
        kind = torch.optim.Adam if self.optimizer == "adam" else torch.optim.AdamW
        return kind(weights, lr=self.learning_rate, weight_decay=self.weight_decay)

    def rate(self, step: int, total: int) -> float:
        """Return the factor on the learning rate at a step."""
        rising = round(self.warmup_epochs * total / self.epochs)
        if step < rising:
            return (step + 1) / (rising + 1)
        done = (step - rising) / max(total - rising, 1)
        if self.schedule == "constant":
            return 1.0
        return 1 - done if self.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))


@dataclass(eq=False)
class Latest(Generic[Made]):
    """Remembers what was made for the latest epoch: steps of one epoch ask for the same again and again.

    Args:
        make: epoch -> what belongs to it.
    """

    make: Callable[[int], Made]
    _kept: tuple[int, Made] | None = None

    def __call__(self, epoch: int) -> Made:
        """Return what belongs to the epoch."""
        if self._kept is None or self._kept[0] != epoch:
            self._kept = epoch, self.make(epoch)
        return self._kept[1]


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
