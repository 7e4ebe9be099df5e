"""Asking: one model, many variants; every different prompt is answered once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from lethe.auditing.measure import Measurements
from lethe.auditing.prompting.answers import Answers
from lethe.auditing.prompting.rendering import rendered
from lethe.auditing.prompting.variant import Variant
from lethe.models import copied
from lethe.run import Run
from lethe.tasks import CausalLM, device_of

One = TypeVar("One")


@dataclass(frozen=True)
class Reply:
    """What a model replied to one variant.

    Attributes:
        variant: what it was asked.
        said: its likeliest answer.
        tokens: tokens of prompt and answer together.
    """

    variant: Variant
    said: str
    tokens: int


class Asker:
    """Asks one model.

    Args:
        model: the model; it is left as it is, and copied where it lies on another device.
        task: how it is read.
        run: device and progress.
        known: earlier answers, which are looked up first and added to.
    """

    def __init__(self, model: nn.Module, task: CausalLM, run: Run, known: Measurements) -> None:
        moved = model if device_of(model) == run.device else copied(model).to(run.device)
        self.task, self.answers = task, Answers(moved, task, run, known)

    def replies(self, variants: Sequence[Variant], new_tokens: int) -> list[Reply]:
        """Return the model's greedy answer to each variant, of at most so many tokens and never beyond its context."""
        prompts = [rendered(variant, self.task)[0] for variant in variants]
        limits = [max(min(new_tokens, self.task.context - len(prompt)), 0) for prompt in prompts]
        said = self.answers.said(prompts, limits)
        return [
            Reply(variant, self._text(tokens), len(prompt) + len(tokens))
            for variant, prompt, tokens in zip(variants, prompts, said, strict=True)
        ]

    def log_probs(self, variants: Sequence[Variant]) -> list[float]:
        """Return the mean log-probability a token that the model gives the answer of each variant."""
        return list(self.answers.log_probs([rendered(variant, self.task) for variant in variants]).tolist())

    def _text(self, tokens: list[int]) -> str:
        return str(self.task.tokenizer.decode(tokens, skip_special_tokens=True)).strip()


def cut(values: Sequence[One], like: Sequence[Sequence[object]]) -> list[list[One]]:
    """Return flat values in rows as long as those of another nested sequence.

    >>> cut([1, 2, 3], [["a"], ["b", "c"]])
    [[1], [2, 3]]
    """
    left = iter(values)
    return [[next(left) for _ in row] for row in like]
