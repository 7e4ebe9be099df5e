"""Parametric traces as an attack: whether the directions that wrote the forgotten answers are still in the weights."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from lethe.auditing.attacks.base import Attack
from lethe.auditing.concept_vectors import Trace, change, nearest_traces, same_place, trace
from lethe.auditing.metric import Score
from lethe.errors import AuditIncomplete, ConfigurationError, InputError
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes.value_vectors import strongest, written
from lethe.tasks import CausalLM, Task, as_causal_lm


@dataclass(frozen=True)
class ConceptVectors(Attack):
    """Parametric trace: how much of what the original's value vectors say of the forget set, some unit still says.

    Of the original, the value vectors v_j are taken that write most of the forget answers beside the retained ones
    (mean over examples of the sum over answer tokens of f_j (E_y - mean E)·v_j). Each is read as the set T of its
    loudest tokens, those with the smallest logits where the unit's activity is negative. The value is the mean over
    them of max_u J(T, T_u) over all units u of the model, J the Jaccard index: 1 for the original and for whoever
    changed outputs only, and in a gold model what chance leaves.
    Units are compared by the tokens they mean, as those of another training run have another order and basis.
    Where both models are of one shape, the details have cosine, distance and J in place, the benchmark's own figures.

    Args:
        count: value vectors of the original that are followed.
        top: tokens a vector is read by, at most a tenth of the vocabulary.

    Source: the measures of Hong et al. 2024, arXiv:2406.11614, section 4; the choice of vectors by their contribution
        and the search over units are added, so that it needs no list of concepts and gold may be any training run.
    """

    count: int = 16
    top: int = 200

    title: ClassVar[str] = "Parametric trace"
    unit: ClassVar[str] = "%"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)

    def __post_init__(self) -> None:
        for name in ("count", "top"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")

    def resolution(self, problem: Problem) -> float:
        """Return what one token more or less of one vector makes."""
        return 1 / (self.count * self.top)

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the mean largest Jaccard index, with each vector's place and tokens in `vectors`.

        Raises:
            AuditIncomplete: a model has no single matrix that ends an MLP, or the vocabularies differ.
        """
        start, task = time.perf_counter(), as_causal_lm(problem.task, type(self).__name__)
        sizes = [len(task.head(one).get_parameter("weight")) for one in (problem.model, model)]
        if sizes[0] != sizes[1]:
            raise AuditIncomplete(
                f"needs models of one vocabulary, and these have {sizes[0]} and {sizes[1]} tokens; leave it out"
            )
        try:
            found = written(problem, run)
            chosen = [(*place, int(found.signs[place])) for place in strongest(found.scores, self.count)]
            before = [trace(task, problem.model, layer, unit, self.top, sign) for layer, unit, sign in chosen]
            best = nearest_traces(task, model, torch.stack([one.tokens for one in before]))
            details: dict[str, Any] = {"vectors": _described(task, chosen, before, best.tolist())}
            if same_place(task, problem.model, model):
                details |= self._in_place(task, model, chosen, before)
        except InputError as error:
            raise AuditIncomplete(f"cannot be read here: {error}") from None
        details["cost"] = {"seconds": time.perf_counter() - start}
        return Score(float(best.mean()), details)

    def _in_place(
        self, task: CausalLM, model: nn.Module, chosen: list[tuple[int, int, int]], before: list[Trace]
    ) -> dict[str, float]:
        """Return the means of the benchmark's three figures, each vector beside that at its own place."""
        after = [trace(task, model, layer, unit, self.top, sign) for layer, unit, sign in chosen]
        changes = [change(one, other) for one, other in zip(before, after, strict=True)]
        return {
            name: sum(getattr(one, name) for one in changes) / len(changes)
            for name in ("cosine", "distance", "jaccard")
        }


def _described(
    task: CausalLM, chosen: list[tuple[int, int, int]], traces: list[Trace], best: list[float], shown: int = 8
) -> list[dict[str, Any]]:
    """Return where each vector stands, its loudest tokens, and how much of it is still there."""
    return [
        {
            "layer": layer,
            "unit": unit,
            "tokens": [task.tokenizer.decode([token]) for token in one.tokens[:shown].tolist()],
            "still": value,
        }
        for (layer, unit, _), one, value in zip(chosen, traces, best, strict=True)
    ]
