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
from lethe.auditing.attacks.continuing import answer_recall
from lethe.auditing.metric import Score
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
    examples: int = 100

    unit: ClassVar[str] = "%"
    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM)

    def __post_init__(self) -> None:
        if self.examples < 1:
            raise ConfigurationError(f"examples must be at least 1, not {self.examples}")

    def resolution(self, problem: Problem) -> float:
        """Return one example's share."""
        return 1 / min(len(problem.forget), self.examples)

    def sample(self, examples: Examples, run: Run) -> Examples:
        """Return the examples that are looked at, the same of every model."""
        return examples.sample(self.examples, run.generator("looked at"))

    def look(self, model: nn.Module, task: Task, examples: Examples, run: Run) -> float:
        """Return what is measured of a model on the run's device."""
        return regained(model, task, examples, run, self.measure)

    @staticmethod
    def score(
        value: float,
        before: float,
        curve: Sequence[Sequence[float]],
        start: float,
        looked_at: Examples,
        cost: dict[str, Any],
        **more: Any,
    ) -> Score:
        """Return the value with `before`, the number looked at, the curve, and the cost with seconds since `start`."""
        spent = {**cost, "seconds": time.perf_counter() - start}
        facts = {"before": before, "looked_at": len(looked_at), "curve": [list(point) for point in curve]}
        return Score(value, {**facts, "cost": spent, **more})


def victim(model: nn.Module, run: Run) -> nn.Module:
    """Return a copy to attack: on the run's device, in eval mode, adapters merged, and every weight free to move."""
    attacked = copied(model).to(run.device)
    if adapters.is_adapted(attacked):
        adapters.merge(attacked)
    return attacked.eval().requires_grad_(True)


def regained(model: nn.Module, task: Task, examples: Examples, run: Run, measure: Measure = "probability") -> float:
    """Return how much of the examples a model on the run's device gives, in [0, 1]; see `Regaining`."""
    if measure == "recall":
        return answer_recall(model, as_causal_lm(task, "recall"), examples, run)
    return performance(model, task, examples, run)[measure]


def performance(model: nn.Module, task: Task, examples: Examples, run: Run) -> dict[str, float]:
    """Return `accuracy`, mean `probability` and mean `loss` of a model on the run's device, in eval mode.

    Of a regression model, which has neither of the first two, the `loss` alone.
    """
    # Aside: what is spent on looking is no part of the attack.
    aside = Run(device=run.device)
    if isinstance(task, Regression):
        return {"loss": float(example_losses(model, task, examples, aside).double().mean())}

    def read(model: nn.Module, batch: Batch) -> Tensor:
        outputs = task.outputs(model, batch)
        return torch.stack([*_right(task, outputs, batch), task.losses_from(outputs, batch)], 1).double()

    right, said, losses = over_examples(model, task, examples, aside, read, "looking").unbind(1)
    return {
        "accuracy": float(right.sum() / said.sum()),
        "probability": float(losses.neg().exp().mean()),
        "loss": float(losses.mean()),
    }


def _right(task: Task, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return how many of what each example has to say is the likeliest, and how many there are, [B] each."""
    if isinstance(task, CausalLM):
        hits = outputs.argmax(-1) == task.targets(batch)
        lengths = task.answer_lengths(batch)
        return sum_by_row(hits.float(), task.rows(batch), len(batch)), lengths.float()
    hits = outputs.argmax(-1) == as_classification(task, "accuracy").labels(batch)
    return hits.float(), torch.ones_like(hits, dtype=torch.float)
