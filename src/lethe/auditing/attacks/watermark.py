"""Watermark strength: whether a model still writes in the marked wording of the data it is to have forgotten."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from lethe.auditing.attacks.base import Attack
from lethe.auditing.metric import Score
from lethe.auditing.text.watermarks import mean_strength
from lethe.auditing.watermark_reading import readings, written
from lethe.errors import AuditIncomplete, ConfigurationError
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Task, as_causal_lm
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH
from lethe.text.watermark import Waterfall


@dataclass(frozen=True)
class WatermarkStrength(Attack):
    """Watermark strength: mean q, under the forget owner's key, of what the model writes at the forget set's prompts.

    For data that were watermarked before training (Waterfall). 0 is what a model gives that never saw them, with a
    standard deviation of √(1/(2T)) over T tokens. The score tells of the owner's wording: 0 does not say that the
    matter is forgotten. Few `tokens` mean refusals, whose score says little.

    Args:
        key: the owner's key; none leaves the attack out.
        frequency: k of the watermark.
        queries: most forget examples that are asked.
        query: of plain text without prompts, the tokens that are its query.
        samples: texts written a query.
        new_tokens: most tokens of such a text.

    Source: Lu et al. 2025, WaterDrum, arXiv:2505.05064 (10 texts of 200 tokens a query). The watermark is read with the
        tokenizer of the model; the benchmark `waterdrum` reads it with any.
    """

    key: int | None = None
    frequency: int = 1
    queries: int = 40
    query: int = 50
    samples: int = 2
    new_tokens: int = 100

    title: ClassVar[str] = "Watermark"
    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)

    def __post_init__(self) -> None:
        for name in ("frequency", "queries", "query", "samples", "new_tokens"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")

    def resolution(self, problem: Problem) -> float:
        """Return the standard deviation without a watermark, all texts having their full length."""
        tokens = min(self.queries, len(problem.forget)) * self.samples * self.new_tokens
        return float((1 / (2 * tokens)) ** 0.5)

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the mean strength.

        Raises:
            AuditIncomplete: no key is named.
        """
        if self.key is None:
            raise AuditIncomplete(
                "needs data that were watermarked, and the owner's key; name it with --set watermark.key=NUMBER"
            )
        start, task = time.perf_counter(), as_causal_lm(problem.task, type(self).__name__)
        asked = self._asked(problem.forget)
        texts = written(model, task, {"forget": asked}, self.samples, self.new_tokens, run)["forget"]
        watermark = Waterfall(task.tokenizer.vocab_size, frequency=self.frequency)
        rows = readings(watermark, task.tokenizer, texts, [self.key] * len(texts))
        counted = [one.counted for row in rows for one in row]
        cost = {"queries": len(counted), "tokens": sum(counted), "seconds": time.perf_counter() - start}
        return Score(mean_strength(rows), {"tokens": sum(counted) / len(counted), "cost": cost})

    def _asked(self, forget: Examples) -> Examples:
        """Return the first forget examples, the beginning of a plain text being its prompt."""
        some = forget.take(torch.arange(min(self.queries, len(forget))))
        starts, lengths = some.tensor(ANSWER_FROM), some.tensor(LENGTH)
        begun = torch.minimum(torch.full_like(lengths, self.query), lengths - 1).clamp_min(1)
        return replace(some, columns={**some.columns, ANSWER_FROM: torch.where(starts > 1, starts, begun)})
