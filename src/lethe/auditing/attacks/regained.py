"""Regained: how much of the forget set a model gives, before an attack on its weights and after it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import adapters
from lethe.auditing.attacks.base import Attack
from lethe.auditing.attacks.continuing import answer_recalls
from lethe.auditing.metric import Score
from lethe.auditing.pairing import of_each
from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.measuring import example_losses, over_examples
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.segments import sum_by_row
from lethe.tasks import CausalLM, Classification, Regression, Task, as_causal_lm, as_classification

Measure = Literal["probability", "accuracy", "recall"]


@dataclass(frozen=True, kw_only=True)
class Regaining(Attack):
    """An attack after which the forget set is measured again.

    Args:
        measure: what is measured, between 0 and 1: `probability`, the mean of the true label's, or of
            p(a | q)^(1/|a|) over answers; `accuracy`, the share of labels, or of the answers' tokens, that are the
            likeliest; `recall`, of language models, the mean ROUGE-L recall of what they say greedily.
        examples: most forget examples that are looked at, a random sample of larger sets.
    """

    measure: Measure = "probability"
    examples: int = 50

    unit: ClassVar[str] = "%"
    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM)

    def __post_init__(self) -> None:
        if self.examples < 1:
            raise ConfigurationError(f"examples must be at least 1, not {self.examples}")

    def resolution(self, problem: Problem) -> float:
        """Return one example's share of what is counted, a thousandth of what is continuous."""
        return 1 / min(len(problem.forget), self.examples) if self.measure == "accuracy" else 1e-3

    def sample(self, examples: Examples, run: Run) -> Examples:
        """Return the examples that are looked at, the same of every model."""
        return examples.sample(self.examples, run.generator("looked at"))

    def look(self, model: nn.Module, task: Task, examples: Examples, run: Run) -> Tensor:
        """Return what is measured of a model on the run's device, one value an example, whose mean it is."""
        return regained(model, task, examples, run, self.measure)

    @staticmethod
    def score(
        after: Tensor,
        before: Tensor,
        curve: Sequence[tuple[float, Tensor | float]],
        start: float,
        looked_at: Examples,
        cost: dict[str, Any],
        **more: Any,
    ) -> Score:
        """Return the value with `before`, the number looked at, the curve, and the cost with seconds since `start`.

        Args:
            after: what each example gave under the attack, [n]; the value is its mean.
            before: the same without the attack.
            curve: pairs of budget and value, or values of each example.
            start: when the attack began.
            looked_at: the examples looked at.
            cost: what it took, beside time.
            more: further details.
        """
        facts = {
            "before": float(before.mean()),
            "looked_at": len(looked_at),
            "curve": [[budget, float(torch.as_tensor(value).mean())] for budget, value in curve],
            **of_each(before.tolist(), after.tolist()),
            "cost": {**cost, "seconds": time.perf_counter() - start},
        }
        return Score(float(after.mean()), {**facts, **more})


def victim(model: nn.Module, run: Run) -> nn.Module:
    """Return a copy to attack: on the run's device, in eval mode, adapters merged, and every weight free to move."""
    attacked = copied(model).to(run.device)
    if adapters.is_adapted(attacked):
        adapters.merge(attacked)
    return attacked.eval().requires_grad_(True)


def best_of(curve: Sequence[tuple[float, Tensor]]) -> tuple[float, Tensor]:
    """Return the point of a curve whose values have the largest mean, the first of several."""
    return max(curve, key=lambda point: float(point[1].mean()))


def shares(right: Tensor, said: Tensor) -> Tensor:
    """Return what each example adds to the pooled share Σ right / Σ said: values whose mean that is.

    >>> shares(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 2.0])).tolist()
    [0.3333333333333333, 0.6666666666666666]
    """
    return right.double() * len(said) / said.double().sum()


def regained(model: nn.Module, task: Task, examples: Examples, run: Run, measure: Measure = "probability") -> Tensor:
    """Return how much of each example a model on the run's device gives, [n] float64; see `Regaining`."""
    if measure == "recall":
        return answer_recalls(model, as_causal_lm(task, "recall"), examples, run)
    accuracies, losses = _read(model, task, examples, run)
    return accuracies if measure == "accuracy" else losses.neg().exp()


def performance(model: nn.Module, task: Task, examples: Examples, run: Run) -> dict[str, float]:
    """Return `accuracy`, mean `probability` and mean `loss` of a model on the run's device, in eval mode.

    Of a regression model, which has neither of the first two, the `loss` alone.
    """
    if isinstance(task, Regression):
        return {"loss": float(example_losses(model, task, examples, Run(device=run.device)).double().mean())}
    accuracies, losses = _read(model, task, examples, run)
    return {
        "accuracy": float(accuracies.mean()),
        "probability": float(losses.neg().exp().mean()),
        "loss": float(losses.mean()),
    }


def _read(model: nn.Module, task: Task, examples: Examples, run: Run) -> tuple[Tensor, Tensor]:
    """Return the accuracy and the loss of each example, [n] float64 each."""

    def read(model: nn.Module, batch: Batch) -> Tensor:
        outputs = task.outputs(model, batch)
        return torch.stack([*_right(task, outputs, batch), task.losses_from(outputs, batch)], 1).double()

    # Aside: what is spent on looking is no part of the attack.
    right, said, losses = over_examples(model, task, examples, Run(device=run.device), read, "looking").unbind(1)
    return shares(right, said), losses


def _right(task: Task, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return how many of what each example has to say is the likeliest, and how many there are, [B] each."""
    if isinstance(task, CausalLM):
        hits = outputs.argmax(-1) == task.targets(batch)
        lengths = task.answer_lengths(batch)
        return sum_by_row(hits.float(), task.rows(batch), len(batch)), lengths.float()
    hits = outputs.argmax(-1) == as_classification(task, "accuracy").labels(batch)
    return hits.float(), torch.ones_like(hits, dtype=torch.float)
