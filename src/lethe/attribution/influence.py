"""Influence: a table of how much each training set matters for each test set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lethe.errors import InputError
from lethe.examples import Batch, Examples, concatenate
from lethe.measuring import evaluation
from lethe.models import copied
from lethe.run import Run
from lethe.tasks import Task

Sets = Mapping[str, Examples]


@dataclass(frozen=True, eq=False)
class Influence:
    """How much each training set matters for each test set; a large value means that it helps.

    Attributes:
        training: names of the training sets.
        tests: names of the test sets.
        table: [K, M] float64.
        curve: by number of steps, the table after so many; empty where there are no steps.
    """

    training: tuple[str, ...]
    tests: tuple[str, ...]
    table: Tensor
    curve: Mapping[int, Tensor]

    def of(self, training: str, test: str) -> float:
        """Return one value of the table."""
        return float(self.table[self.training.index(training), self.tests.index(test)])

    def correlation(self, other: Influence, test: str) -> tuple[float, float]:
        """Return Pearson's and Spearman's correlation with another table over the training sets, for one test set."""
        from scipy import stats

        mine = [self.of(name, test) for name in self.training]
        theirs = [other.of(name, test) for name in self.training]
        return float(stats.pearsonr(mine, theirs).statistic), float(stats.spearmanr(mine, theirs).statistic)


def set_loss(model: nn.Module, task: Task, examples: Examples, size: int, run: Run) -> float:
    """Return the loss of a set: the training loss of each batch of `size`, averaged with the batches' sizes as weights.

    For language models the loss of a batch is the mean over its answers' tokens.
    """
    total = 0.0
    with evaluation(model), run.autocast():
        for batch in examples.batches(size):
            run.interrupt_point()
            total += float(batch_loss(model, task, batch, run).double()) * len(batch)
    return total / len(examples)


def batch_loss(model: nn.Module, task: Task, batch: Batch, run: Run) -> Tensor:
    """Return the training loss of a batch, a scalar."""
    return task.training_losses(model, task.prepare(batch).to(run.device)).mean()


def leave_one_out(
    retrain: Callable[[Examples, int], nn.Module], training: Sets, tests: Sets, task: Task, run: Run, size: int = 32
) -> Influence:
    """Return the influence by its definition: L(Z'; trained without Z_k) - L(Z'; trained on all).

    Args:
        retrain: (examples, seed) -> model from scratch. It should take as many steps however many examples there are,
            or large sets look influential for the training they bring.
        training: the training sets by name.
        tests: the test sets by name.
        task: how examples are fed.
        run: seed and device.
        size: examples a batch of a test set.
    """
    check(training, tests)

    def measured(names: Sequence[str]) -> Tensor:
        model = retrain(joined([training[name] for name in names]), run.seed).to(run.device)
        return torch.tensor([set_loss(model, task, z, size, run) for z in tests.values()], dtype=torch.float64)

    whole = measured(list(training))
    rows = [measured([other for other in training if other != name]) - whole for name in training]
    return Influence(tuple(training), tuple(tests), torch.stack(rows), {})


def check(training: Sets, tests: Sets) -> None:
    """Raise InputError where there is no set, or an empty one."""
    for kind, sets in (("training", training), ("test", tests)):
        if not sets:
            raise InputError(f"there is no {kind} set; give at least one, by name")
        for name, examples in sets.items():
            if not len(examples):
                raise InputError(f"the {kind} set '{name}' is empty; leave it out or give examples")


def joined(sets: Sequence[Examples]) -> Examples:
    """Return the examples of all sets."""
    made = sets[0]
    for other in sets[1:]:
        made = concatenate(made, other)
    return made


def throwaway(model: nn.Module, run: Run) -> nn.Module:
    """Return a copy in eval mode, on the device, that may be spoilt."""
    return copied(model).to(run.device).eval()
