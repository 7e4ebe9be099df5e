"""ACU: a linear head solved by ridge regression on frozen features, updated and taken back in closed form."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.measuring import over_examples
from lethe.methods.exact.chains import Weights
from lethe.methods.exact.ledger import Ledger
from lethe.methods.exact.ridge import Ridge
from lethe.methods.exact.service import Deletable, Deletion, Service, linear_head
from lethe.methods.exact.sharded import classes_gone
from lethe.models import copied
from lethe.run import Run
from lethe.tasks import Classification, Task, as_classification


@dataclass(frozen=True, kw_only=True)
class ACU(Deletable):
    """Analytic continual unlearning: the head is the ridge solution, and stays it, whatever is learnt or deleted.

    Everything before the head is frozen; the head becomes W = (XᵀX + γI)⁻¹ XᵀY, X the features and Y the classes one
    hot. A deletion of rows X_f takes them out of the inverse R and of W by the Woodbury identity,
    R' = R + R X_fᵀ (I - X_f R X_fᵀ)⁻¹ X_f R and W' = W - R' X_fᵀ (Y_f - X_f W), in float64, and reads nothing but
    them. Exact for the head: the frozen part must never have seen what is to be deleted.

    Args:
        ridge: strength γ of the regularisation; small ones make rounding louder.
        anchor_every: requests after which R and W are solved anew from the sums XᵀX and XᵀY, which are kept exactly.

    Raises:
        InputError: the head is not linear.

    Source: Tang et al. 2025, ACU, arXiv:2505.12239; the formulas follow from ridge regression.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Classification,)
    acts_on: ClassVar[str] = "head"

    ridge: float = 1.0
    anchor_every: int = 100

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        if self.ridge <= 0:
            raise ConfigurationError(f"ridge must be above 0, not {self.ridge}")
        if self.anchor_every < 1:
            raise ConfigurationError(f"anchor_every must be at least 1, not {self.anchor_every}")

    def serve(self, base: nn.Module, task: Task, ledger: Ledger, run: Run, weights: Weights) -> ACUService:
        """Return the service of a linear head."""
        known = as_classification(task, "acu")
        linear_head(known, base, "acu")
        return ACUService(self, base, known, ledger, run, weights)


class ACUService(Service):
    """The service: one matrix, one head, and what was learnt."""

    def __init__(
        self, system: ACU, base: nn.Module, task: Classification, ledger: Ledger, run: Run, weights: Weights
    ) -> None:
        self._system, self._base, self._task, self._ledger = system, base, task, ledger
        self._run, self._weights = run, weights
        self._precise = in_double(base)
        self._solution = Ridge.empty(_width(task, base), task.classes, system.ridge)

    @property
    def solution(self) -> Ridge:
        """What the head rests on."""
        return self._solution

    def settle(self) -> None:
        """Take up what is kept, or solve on all that is left."""
        with self._ledger.request():
            if self._key() in self._weights:
                self._solution = Ridge.of_tensors(self._weights[self._key()], self._system.ridge)
            else:
                self._solution = self._solution.learnt(*self._rows(self._ledger.examples.select(self.live)))
                self._weights.keep(self._key(), self._solution.tensors())
            self._ledger.write()
            self._weights.only([self._key()])

    def learn(self, examples: Examples) -> None:
        """Add examples; they may be deleted later like any other.

        Raises:
            InputError: an id is known already, also where it was deleted.
        """
        with self._ledger.request():
            self._ledger.check_new(examples)
            self._replace(self._solution.learnt(*self._rows(examples)), learnt=examples)

    def delete(self, ids: Sequence[str]) -> Deletion:
        """Take the rows of these examples out of the solution."""
        ids, start = tuple(ids), time.perf_counter()
        with self._ledger.request():
            self._ledger.check(ids)
            gone = set(ids)
            left = tuple(name for name in self.live if name not in gone)
            notes = classes_gone(self._task, self._ledger.examples, gone, left)
            solution = self._solution.unlearnt(*self._rows(self._ledger.examples.select(ids)))
            if (len(self._ledger.requests) + 1) % self._system.anchor_every == 0:
                solution = solution.anchored()
            self._replace(solution, ids)
        return Deletion(ids, time.perf_counter() - start, 0, len(ids), tuple(notes))

    def model(self) -> nn.Module:
        """Return the network with the solved head, without a bias."""
        model = copied(self._base).eval()
        head = self._task.head(model)
        assert isinstance(head, nn.Linear)
        with torch.no_grad():
            head.weight.copy_(self._solution.weight.T)
            if head.bias is not None:
                head.bias.zero_()
        return model

    def _replace(self, solution: Ridge, ids: Sequence[str] = (), learnt: Examples | None = None) -> None:
        """Let the solution take the place of the one there is, together with the entry in the ledger."""
        count = len(self._ledger.ids) + (len(learnt) if learnt is not None else 0)
        self._weights.keep(_key(count, len(self._ledger.requests) + bool(ids)), solution.tensors())
        self._ledger.write(ids, learnt=learnt)
        self._solution = solution
        self._weights.only([self._key()])

    def _key(self) -> str:
        return _key(len(self._ledger.ids), len(self._ledger.requests))

    def _rows(self, examples: Examples) -> tuple[Tensor, Tensor]:
        """Return features [n, d] and classes one hot [n, C], float64.

        In float32 the last bits of a feature depend on what else is in its batch, and a row that is taken back would
        not be the row that was learnt.
        """
        features = over_examples(self._precise, self._task, examples, self._run, self._task.features, "features")
        labels = examples.tensor(self._task.label).long()
        return features, nn.functional.one_hot(labels, self._task.classes).double()


def in_double(model: nn.Module) -> nn.Module:
    """Return a copy of the model that computes in float64, whatever numbers it is given."""
    precise = copied(model).double().eval()
    precise.register_forward_pre_hook(lambda _, inputs: tuple(value.double() for value in inputs))
    return precise


def _key(learnt: int, requests: int) -> str:
    """Return what the solution is kept under after so many examples and deletions."""
    return f"solution-{learnt}-{requests}"


def _width(task: Classification, base: nn.Module) -> int:
    head = task.head(base)
    assert isinstance(head, nn.Linear)
    return head.in_features
