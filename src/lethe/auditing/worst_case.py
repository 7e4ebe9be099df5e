"""The hardest forget set: which examples a model keeps knowing although it was trained without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.examples import Examples, shuffled
from lethe.measuring import example_losses
from lethe.models import copied
from lethe.run import Run
from lethe.tasks import Task

TOLERANCE, HALVINGS = 1e-9, 100


@dataclass(frozen=True, eq=False)
class Hardest:
    """A forget set that was searched for.

    Attributes:
        examples: the forget set, in the order of the data; the others are what is to be retained.
        weights: [n] w, how much each example (or group) belongs to it, before it was cut to a set; between 0 and 1.
        objective: Σ w_i ℓ_i after each round of unlearning, ℓ in nats; it falls where the search succeeds.
    """

    examples: Examples
    weights: Tensor
    objective: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class HardestSet:
    """Search for the m examples that are hardest to forget, to score unlearning methods on them.

    min_w Σ_i w_i ℓ_i(θ(w)) + γ ‖w‖² over 0 ≤ w_i ≤ 1, Σ w_i = m, where θ(w) minimises Σ_i (1 - w_i) ℓ_i: those whose
    loss stays low although the model was fine-tuned without them, by what it learns from the others. They are easy,
    redundant examples, not the memorised ones. The inner problem is solved by steps of signSGD, through which no
    gradient flows, so that the outer gradient is ℓ_i + 2 γ w_i, and needs no second derivative. Each round starts from
    the model given. Compare a method with retraining on the same set: the forget accuracy by itself says nothing here.

    Args:
        count: m, the number of examples, or of groups.
        rounds: outer steps.
        epochs: passes of fine-tuning in each.
        learning_rate: α of signSGD.
        step_size: β of the outer step. The release's 0.01 lets an example change sides only where its losses add up to
            100 over the rounds; at 1 a few rounds are enough.
        decay: γ.
        cut_every: rounds after which w is replaced by the indicator of its m largest entries; the last round always is.
        batch_size: examples a step of fine-tuning.
        easiest: search for the set that is easiest to forget instead.
        restart: train anew in each round instead of fine-tuning the model, which takes more epochs.
        by: column whose values are chosen as a whole (classes, people); empty to choose single examples.

    Source: Fan et al. 2024, Challenging Forgets, arXiv:2403.07362, section 4. Losses are measured in eval mode, where
    the release leaves the model in training mode.
    """

    count: int
    rounds: int = 10
    epochs: int = 2
    learning_rate: float = 1e-3
    step_size: float = 1.0
    decay: float = 0.0
    cut_every: int = 20
    batch_size: int = 256
    easiest: bool = False
    restart: bool = False
    by: str = ""

    def __call__(self, model: nn.Module, task: Task, examples: Examples, run: Run) -> Hardest:
        """Return the set found among the examples the model was trained on.

        Args:
            model: the trained model; it is left as it is.
            task: how it is fed and read.
            examples: its training data.
            run: seed, device and progress.

        Raises:
            ConfigurationError: the count is not between 1 and the number of examples or groups less one, or there is
                no such column.
        """
        member = self._members(examples)
        number = int(member.max()) + 1
        if not 1 <= self.count < number:
            raise ConfigurationError(
                f"the forget set takes 1 to {number - 1} of {number}; {self.count} is out of range"
            )
        chosen = torch.randperm(number, generator=run.generator("first set"))[: self.count]
        weights = torch.zeros(number, dtype=torch.float64).index_fill(0, chosen, 1.0)
        sign, objective = (-1.0 if self.easiest else 1.0), []
        with run.progress.bar("searching the hardest forget set", self.rounds) as bar:
            for round_ in range(self.rounds):
                tuned = self._tuned(model, task, examples, 1 - weights[member], run, round_)
                losses = _means(example_losses(tuned, task, examples, run).double(), member, number)
                objective.append(float(weights @ losses))
                moved = weights - sign * self.step_size * (losses + 2 * self.decay * weights)
                weights = capped_simplex(moved, self.count)
                if (round_ + 1) % self.cut_every == 0 and round_ + 1 < self.rounds:
                    weights = _cut(weights, self.count)
                bar.advance()
        found = _cut(weights, self.count)[member].nonzero().flatten()
        return Hardest(examples.take(found), weights, tuple(objective))

    def _tuned(
        self, model: nn.Module, task: Task, examples: Examples, weights: Tensor, run: Run, round_: int
    ) -> nn.Module:
        """Return the model after steps θ ← θ - α sign ∇ Σ_i (1 - w_i) ℓ_i."""
        start = task.fresh(model, run.key("start") % 2**32) if self.restart else copied(model)
        tuned = start.to(run.device).train()
        moving = [parameter for parameter in tuned.parameters() if parameter.requires_grad]
        for epoch in range(self.epochs):
            order = run.generator("order", round_, epoch)
            for rows in shuffled(len(examples), self.batch_size, order):
                run.interrupt_point()
                losses = task.losses(tuned, examples.batch(rows).to(run.device))
                total = (losses * weights[rows].to(losses)).sum()
                gradients = torch.autograd.grad(total, moving, allow_unused=True)
                with torch.no_grad():
                    for parameter, gradient in zip(moving, gradients, strict=True):
                        if gradient is not None:
                            parameter.sub_(self.learning_rate * gradient.sign())
        return tuned

    def _members(self, examples: Examples) -> Tensor:
        """Return which entry of w each example belongs to, [N]."""
        if not self.by:
            return torch.arange(len(examples))
        if self.by not in examples.columns:
            raise ConfigurationError(f"the examples have no column '{self.by}' whose values could be chosen")
        values = examples.columns[self.by]
        plain = values.tolist() if isinstance(values, Tensor) else [str(value) for value in np.asarray(values)]
        place = {value: i for i, value in enumerate(sorted(set(plain)))}
        return torch.tensor([place[value] for value in plain])


def capped_simplex(point: Tensor, total: float) -> Tensor:
    """Return the nearest w with 0 ≤ w_i ≤ 1 and Σ w_i = total: w_i = clip(v_i - μ, 0, 1), μ found by bisection.

    Args:
        point: [n] float64 v.
        total: between 0 and n.

    >>> [round(w, 6) for w in capped_simplex(torch.tensor([0.9, 0.5, -1.0]).double(), 1.0).tolist()]
    [0.7, 0.3, 0.0]
    """
    low, high = float(point.min()) - 1, float(point.max())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        found = float((point - middle).clamp(0, 1).sum())
        if abs(found - total) < TOLERANCE:
            break
        low, high = (middle, high) if found > total else (low, middle)
    return (point - (low + high) / 2).clamp(0, 1)


def _cut(weights: Tensor, count: int) -> Tensor:
    """Return the indicator of the largest weights."""
    return torch.zeros_like(weights).index_fill(0, weights.argsort(descending=True, stable=True)[:count], 1.0)


def _means(values: Tensor, member: Tensor, number: int) -> Tensor:
    """Return the mean of the values of each group, [number]."""
    sums = torch.zeros(number, dtype=torch.float64).index_add_(0, member, values)
    return sums / torch.bincount(member, minlength=number)
