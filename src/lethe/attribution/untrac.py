"""UnTrac: a training set is influential where unlearning it raises the loss of a test set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lethe.attribution.influence import Influence, Sets, batch_loss, check, set_loss, throwaway
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """How UnTrac unlearns a set: θ ← optimizer(θ, ∇(-L(batch; θ))), on a copy that is thrown away, nothing clipped.

    A training set is influential where that raises the loss of a test set. `lethe.attribution.untrac` measures it from
    one run a training set, `untrac_inverse` from one run a test set. The defaults are those of `untrac`.

    Args:
        steps: number of steps, the same for every set; 0 takes one pass over the smallest.
        batch_size: examples a step; a set that is through begins anew.
        learning_rate: step size, constant.
        optimizer: what turns gradients into steps; plain `sgd` ranks badly and is there for comparison.
        every: steps between two points of the curve; 0 measures at the end alone.
        evaluation_batch: examples a batch when losses are measured.

    Source: Isonuma and Titov 2024, arXiv:2401.15241, section 3.
    """

    steps: int = 0
    batch_size: int = 1
    learning_rate: float = 5e-5
    optimizer: Literal["adam", "rmsprop", "adafactor", "sgd"] = "adam"
    every: int = 0
    evaluation_batch: int = 32

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        if self.steps < 0 or self.every < 0 or self.batch_size < 1 or self.evaluation_batch < 1:
            raise ConfigurationError("steps and every must not be negative, and batches hold at least one example")
        if not self.learning_rate > 0:
            raise ConfigurationError(f"learning_rate must be above 0, not {self.learning_rate}")

    def over(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return a fresh optimiser over the model's weights."""
        weights = list(model.parameters())
        if self.optimizer == "adam":
            return torch.optim.Adam(weights, lr=self.learning_rate)
        if self.optimizer == "rmsprop":
            return torch.optim.RMSprop(weights, lr=self.learning_rate)
        if self.optimizer == "adafactor":
            return torch.optim.Adafactor(weights, lr=self.learning_rate)
        return torch.optim.SGD(weights, lr=self.learning_rate)


INVERSE = Ascent(steps=5, batch_size=256)
"""What the paper unlearns test sets with: five steps, each on the whole of a test set of 256."""


def untrac(
    model: nn.Module, task: Task, training: Sets, tests: Sets, *, run: Run | None = None, ascent: Ascent | None = None
) -> Influence:
    """Return I(Z_k → Z') = L(Z'; θ_T) - L(Z'; θ_0), θ_T having unlearned the training set Z_k for T steps.

    One run a training set; any number of test sets costs no more than their losses. Dropout is off throughout.

    Args:
        model: the trained model θ_0; it is left as it is.
        task: how examples are fed.
        training: the training sets Z_k by name.
        tests: the test sets Z' by name.
        run: seed, device and progress.
        ascent: how a set is unlearned; None takes the paper's: Adam, batches of 1, one pass.

    Raises:
        InputError: there is no set, or an empty one.
        Diverged: a loss is no longer finite.

    Source: Isonuma and Titov 2024, arXiv:2401.15241, section 3.1.
    """
    return _traced(model, task, training, tests, run or Run(), ascent or Ascent(), inverse=False)


def untrac_inverse(
    model: nn.Module, task: Task, training: Sets, tests: Sets, *, run: Run | None = None, ascent: Ascent = INVERSE
) -> Influence:
    """Return I(Z_k → Z') = L(Z_k; θ_T) - L(Z_k; θ_0), θ_T having unlearned the test set Z' for T steps (UnTrac-Inv).

    One run a test set; any number of training sets costs no more than their losses. To first order it equals `untrac`.
    Small batches fail: a step should see the whole test set.

    Args:
        model: the trained model θ_0; it is left as it is.
        task: how examples are fed.
        training: the training sets Z_k by name.
        tests: the test sets Z' by name.
        run: seed, device and progress.
        ascent: how a set is unlearned.

    Raises:
        InputError: there is no set, or an empty one.
        Diverged: a loss is no longer finite.

    Source: Isonuma and Titov 2024, arXiv:2401.15241, section 3.2.
    """
    return _traced(model, task, training, tests, run or Run(), ascent, inverse=True)


def _traced(
    model: nn.Module, task: Task, training: Sets, tests: Sets, run: Run, ascent: Ascent, inverse: bool
) -> Influence:
    check(training, tests)
    ascent.check()
    unlearned, watched = (tests, training) if inverse else (training, tests)
    steps = ascent.steps or min(-(-len(examples) // ascent.batch_size) for examples in unlearned.values())
    curves = [
        dict(_ascended(model, task, name, examples, watched, steps, ascent, run))
        for name, examples in unlearned.items()
    ]
    stacked = {step: torch.stack([curve[step] for curve in curves]) for step in curves[0]}
    curve = {step: table.T if inverse else table for step, table in stacked.items()}
    return Influence(tuple(training), tuple(tests), curve[steps], curve)


def _ascended(
    model: nn.Module, task: Task, name: str, examples: Examples, watched: Sets, steps: int, ascent: Ascent, run: Run
) -> Iterator[tuple[int, Tensor]]:
    """Yield the rise of every watched loss after some of the steps that unlearn a set."""
    copy = throwaway(model, run)
    optimizer = ascent.over(copy)

    def measured() -> Tensor:
        losses = [set_loss(copy, task, others, ascent.evaluation_batch, run) for others in watched.values()]
        return torch.tensor(losses, dtype=torch.float64)

    before = measured()
    batches = _batches(examples, ascent.batch_size, name, run)
    with run.progress.bar(f"unlearning {name}", steps) as bar:
        for step in range(1, steps + 1):
            run.interrupt_point()
            optimizer.zero_grad(set_to_none=True)
            with run.autocast():
                loss = batch_loss(copy, task, examples.batch(next(batches)), run)
            run.require_finite(loss, f"the loss of '{name}'")
            (-loss).backward()
            optimizer.step()
            bar.advance(1)
            if step == steps or (ascent.every and step % ascent.every == 0):
                yield step, measured() - before


def _batches(examples: Examples, size: int, name: str, run: Run) -> Iterator[Tensor]:
    """Yield rows of one pass over the set after another, each in its own order."""
    epoch = 0
    while True:
        yield from torch.randperm(len(examples), generator=run.generator("untrac", name, epoch)).split(size)
        epoch += 1
