"""SwappedOptions: kept multiple-choice questions with a word of what was forgotten among their wrong options."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lethe.auditing.attacks.base import Attack
from lethe.auditing.attacks.choosing import chosen
from lethe.auditing.attacks.true_options import tokens
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.auditing.pairing import of_each
from lethe.auditing.prompting.asking import Asker
from lethe.auditing.prompting.items import Beside, Item, items_of
from lethe.auditing.prompting.options import Choice, choice, swapped
from lethe.errors import AuditIncomplete, ConfigurationError
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Task, as_causal_lm


@dataclass(frozen=True, kw_only=True)
class SwappedOptions(Attack):
    """Accuracy on retained questions, one wrong option of which was replaced by a word of the forget domain.

    The truth and its place stay, and the wrong option is drawn evenly, so that an honest model chooses as before;
    methods that react to words of the domain, as those that misdirect representations do, lose what they kept. The
    option is chosen by likelihood; `before` is the accuracy with the options as they are.

    Args:
        examples: most retained questions that are asked, drawn at random, alike for all models.
        options: options of a question, the true one among them.
        keywords: words of the forget domain; empty takes the answers of the forget set. None is ever a right answer.

    Source: Thaker et al. 2024, arXiv:2410.02879 (swapped WMDP).
    """

    examples: int = 50
    options: int = 4
    keywords: tuple[str, ...] = ()

    title: ClassVar[str] = "Swapped options (kept questions)"
    unit: ClassVar[str] = "%"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)

    def __post_init__(self) -> None:
        if self.examples < 1 or self.options < 2:
            raise ConfigurationError(f"ask at least 1 example of 2 options, not {self.examples} of {self.options}")

    def resolution(self, problem: Problem) -> float:
        """Return one question."""
        return 1 / min(self.examples, len(problem.kept))

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the accuracy with swapped options."""
        return self.measured(model, problem, run, Measurements())

    def measured(self, model: nn.Module, problem: Problem, run: Run, known: Measurements) -> Score:
        """Return the same, with what was measured before looked up."""
        start = time.perf_counter()
        task = as_causal_lm(problem.task, self.title)
        kept = items_of(problem.kept.sample(self.examples, run.generator("asked", "retain")))
        beside = Beside(items_of(problem.forget), items_of(problem.kept), run)
        choices = [choice(item, beside, self.options) for item in kept]
        exchanged = [self._swapped(one, beside) for one in choices]
        asker = Asker(model, task, run, known)
        before, after = (_right(asker, some) for some in (choices, exchanged))
        return Score(
            statistics.fmean(after),
            {
                "measure": "accuracy on kept questions",
                "before": statistics.fmean(before),
                "looked_at": len(kept),
                **of_each(before, after),
                "lost": statistics.fmean(b and not a for b, a in zip(before, after, strict=True)),
                "cost": {
                    "queries": sum(len(one.options) for one in exchanged),
                    "tokens": tokens(exchanged, task),
                    "seconds": time.perf_counter() - start,
                },
            },
        )

    def _swapped(self, made: Choice, beside: Beside) -> Choice:
        """Return the choice with a keyword among its wrong options, drawn for the question."""
        right = {one.answer for one in beside.retain}
        words = self.keywords or _answers(beside.forget)
        free = [word for word in words if word not in right and word not in made.options]
        if not free:
            raise AuditIncomplete(f"{self.title}: every word of the forget domain is a right answer; give keywords=")
        return swapped(made, free[beside.order(len(free), "keyword", made.item.id)[0]], beside)


def _right(asker: Asker, choices: Sequence[Choice]) -> list[bool]:
    return [place == one.right for place, one in zip(chosen(asker, choices), choices, strict=True)]


def _answers(items: Sequence[Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.answer for item in items))
