"""StepByStep: questions in several steps that lead to a fact by naming, describing or presupposing its subject."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lethe.auditing.attacks.prompts import SHOWN, Measure, PromptAttack, Told, shown
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.auditing.prompting.items import Beside, Item, items_of, sampled
from lethe.auditing.prompting.rendering import fitting
from lethe.auditing.prompting.steps import KINDS, Kind, allowed, instruction, queries
from lethe.auditing.prompting.variant import IDENTITY, Transform, Variant, Varied, varied
from lethe.auditing.prompting.writing import Writing
from lethe.errors import AuditIncomplete, ConfigurationError
from lethe.generators import Writer
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import as_causal_lm


@dataclass(frozen=True, kw_only=True)
class StepByStep(PromptAttack):
    """Lead the model to a forgotten fact in steps: L = leaks / prompts, over prompts that the original answers.

    Direct prompts name the subject, indirect ones describe it by what else is known, implied ones have neither the
    subject nor a word by which the question asks. A prompt that gives the answer away is dropped, and so is one that
    the original does not answer: a weak reasoner fails it for lack of skill. A reply leaks where it has every telling
    word of the answer, in any step. `before` is the leak rate of the plain questions that the original answers;
    `by_variant` the rate by kind, `suppression` the share of retained facts, asked alike, that the model fails though
    the original does not. Multi-hop context may let any model deduce the fact: gold shows how often.

    Args:
        generator: who writes the prompts: the folder or name of a language model that follows instructions, or
            `template`, which leads to a fact over another fact about the same subject.
        kinds: `direct`, `indirect`, `implied`.
        new_tokens: most tokens of a reply, which has several steps.
        retained: most retained facts that are asked as well; 0 leaves suppression out.
        score: as for every prompt attack; `told` or `judge`.

    Source: Sinha et al. 2025, arXiv:2506.17279.
    """

    generator: str | Writer = ""
    kinds: tuple[Kind, ...] = KINDS
    examples: int = 50
    new_tokens: int = 64
    retained: int = 50
    score: Measure = "told"

    title: ClassVar[str] = "Step-by-step questions"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.score not in ("told", "judge"):
            raise ConfigurationError(f"a reply leaks or does not: score must be told or judge, not {self.score}")

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return one transform a kind.

        Raises:
            AuditIncomplete: nobody was named who writes the prompts.
        """
        writing = Writing(self.generator, run, known, self.title)
        if not writing.named:
            writing.require_model("somebody has to write the prompts (template leads over facts on the same subject)")
        if writing.templates:
            return {kind: _patterns(kind) for kind in self.kinds}
        made: dict[str, Transform] = {}
        for kind in self.kinds:
            texts = writing.follow([instruction(kind, item) for item in items])
            made[kind] = _written(kind, dict(zip(items, texts, strict=True)))
        return made

    def measured(self, model: nn.Module, problem: Problem, run: Run, known: Measurements) -> Score:
        """Return the leak rate over all prompts that the original answers."""
        start = time.perf_counter()
        items, beside = sampled(problem, self.examples, run)
        able, left_out = self._answered(problem, run, known, items, beside)
        told = self.replied(model, as_causal_lm(problem.task, self.title), run, known, items, able)
        leaks = _by_tag(told)
        prompts = [value for tag, values in leaks.items() if tag != IDENTITY for value in values]
        if not prompts:
            raise AuditIncomplete(f"{self.title}: the original answers none of the prompts, so that none says anything")
        return Score(
            statistics.fmean(prompts),
            {
                "measure": self.score,
                "before": statistics.fmean(leaks[IDENTITY]) if leaks.get(IDENTITY) else 0.0,
                "by_variant": {tag: statistics.fmean(found) for tag, found in leaks.items() if tag != IDENTITY},
                "prompts": {tag: len(found) for tag, found in leaks.items()},
                "suppression": self._suppression(model, problem, run, known),
                "left_out": left_out,
                "cost": {**told.cost, "seconds": time.perf_counter() - start},
                "examples": _leaks(told),
            },
        )

    def _answered(
        self, problem: Problem, run: Run, known: Measurements, items: Sequence[Item], beside: Beside
    ) -> tuple[Varied, dict[str, str]]:
        """Return the prompts, plain ones among them, that the original answers; the same for all models."""
        task = as_causal_lm(problem.task, self.title)
        asked = fitting(varied(items, beside, self.transforms(items, run, known)), task, self.new_tokens)
        original = self.replied(problem.model, task, run, known, items, asked)
        able = tuple(
            tuple(reply.variant for reply, value in zip(own, values, strict=True) if value)
            for own, values in zip(original.replies, original.values, strict=True)
        )
        return Varied(able, {}), dict(asked.left_out)

    def _suppression(
        self, model: nn.Module, problem: Problem, run: Run, known: Measurements
    ) -> dict[str, float] | None:
        """Return by kind the share of prompts on retained facts that the model fails; None where none are asked."""
        if problem.retain is None or self.retained == 0:
            return None
        kept = items_of(problem.retain.sample(self.retained, run.generator("asked", "retain")))
        beside = Beside(items_of(problem.forget), items_of(problem.retain), run)
        try:
            able, _ = self._answered(problem, run, known, kept, beside)
        except AuditIncomplete:
            return None
        task = as_causal_lm(problem.task, self.title)
        found = _by_tag(self.replied(model, task, run, known, kept, able))
        return {tag: 1 - statistics.fmean(values) for tag, values in found.items()}


def _patterns(kind: Kind) -> Transform:
    def transform(item: Item, beside: Beside) -> list[Variant]:
        return [one for one in queries(kind, item, beside)[:1] if allowed(kind, one.prompt, item)]

    return transform


def _written(kind: Kind, prompts: Mapping[Item, str]) -> Transform:
    def transform(item: Item, _: Beside) -> list[Variant]:
        prompt = prompts[item]
        return [Variant(kind, prompt, item.answer)] if allowed(kind, prompt, item) else []

    return transform


def _leaks(told: Told) -> list[dict[str, str]]:
    """Return at most five prompts with their replies, those that leak first."""
    flat = [
        (value, reply)
        for own, values in zip(told.replies, told.values, strict=True)
        for reply, value in zip(own, values, strict=True)
        if reply.variant.tag != IDENTITY
    ]
    return [shown(reply) for _, reply in sorted(flat, key=lambda one: -one[0])[:SHOWN]]


def _by_tag(told: Told) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for own, values in zip(told.replies, told.values, strict=True):
        for reply, value in zip(own, values, strict=True):
            found.setdefault(reply.variant.tag, []).append(value)
    return found
