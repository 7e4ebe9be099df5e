"""PromptAttack: what attacks share that only ask: many ways of asking, one score, the mean and the worst case."""

from __future__ import annotations

import statistics
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from lethe.auditing.attacks.base import Attack
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.auditing.pairing import of_each
from lethe.auditing.prompting.asking import Asker, Reply, cut
from lethe.auditing.prompting.items import Item, sampled
from lethe.auditing.prompting.rendering import fitting
from lethe.auditing.prompting.scoring import Summary, recalls, summarised, told
from lethe.auditing.prompting.variant import Transform, Varied, varied
from lethe.errors import AuditIncomplete, ConfigurationError
from lethe.generators import Asked, Judge, writer_of
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Task, as_causal_lm

SHOWN = 5
Measure = Literal["recall", "probability", "told", "judge"]


@dataclass(frozen=True, eq=False)
class Told:
    """What one model replied.

    Attributes:
        items: N questions.
        replies: [N] the replies to each, the plain question's first.
        values: their scores.
        left_out: ways of asking that could not be tried, with the reason.
    """

    items: Sequence[Item]
    replies: Sequence[Sequence[Reply]]
    values: Sequence[Sequence[float]]
    left_out: Mapping[str, str]

    @cached_property
    def summary(self) -> Summary:
        """What each way of asking brought."""
        return summarised([[reply.variant for reply in own] for own in self.replies], self.values)

    @property
    def cost(self) -> dict[str, int]:
        """The number of queries, and of tokens in them and their replies."""
        flat = [reply for own in self.replies for reply in own]
        return {"queries": len(flat), "tokens": sum(reply.tokens for reply in flat)}

    def each(self, summary: Literal["worst", "mean"]) -> dict[str, Any]:
        """Return the details of single items, those that were asked in another way than the plain one."""
        rows = [row for row in self.values if len(row) > 1]
        after = [max(row) if summary == "worst" else statistics.fmean(row[1:]) for row in rows]
        return {"looked_at": len(self.items), **of_each([row[0] for row in rows], after)}

    def by_way(self) -> list[dict[str, float]]:
        """Return the scores of each item by way of asking."""
        return [
            {reply.variant.tag: value for reply, value in zip(own, values, strict=True)}
            for own, values in zip(self.replies, self.values, strict=True)
        ]

    def examples(self) -> list[dict[str, str]]:
        """Return the best reply to each item, those that exceed the plain question's most first, at most five."""
        best = []
        for own, scores in zip(self.replies, self.values, strict=True):
            if len(own) > 1:
                place = max(range(1, len(own)), key=lambda i: scores[i])
                best.append((scores[place] - scores[0], own[place]))
        best.sort(key=lambda one: -one[0])
        return [shown(reply) for _, reply in best[:SHOWN]]


def shown(reply: Reply) -> dict[str, str]:
    """Return a reply as plain data; solved questions stand before the prompt, and what was begun before the reply."""
    solved = "".join(f"{question} {answer}\n" for question, answer in reply.variant.shots)
    return {
        "prompt": solved + reply.variant.prompt,
        "answer": reply.variant.answer,
        "said": f"{reply.variant.begun} {reply.said}".strip(),
    }


@dataclass(frozen=True, kw_only=True)
class PromptAttack(Attack):
    """Ask for what was forgotten in other ways. Subclasses say in which.

    Args:
        examples: most questions of the forget set that are asked, drawn at random, alike for all models.
        new_tokens: most tokens of a reply.
        score: what is read of a reply: `recall`, ROUGE-L of the true answer; `probability`, P̄ of the true answer,
            which reads no reply; `told`, whether it has every telling word of the answer; `judge`, whether a judge
            finds that it gives something away.
        summary: `worst` takes the best of all ways for each question, `mean` the mean over all ways but the plain one.
        judge: who judges: the folder or name of a language model, or `template`, which looks for telling words.
    """

    examples: int = 50
    new_tokens: int = 32
    score: Measure = "recall"
    summary: Literal["worst", "mean"] = "worst"
    judge: str | Judge = ""

    unit: ClassVar[str] = "%"
    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)

    def __post_init__(self) -> None:
        for name in ("examples", "new_tokens"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")

    @abstractmethod
    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return the ways of asking by name.

        Args:
            items: what is asked.
            run: where chance comes from, and the device of a model that writes.
            known: where what such a model wrote is kept.

        Raises:
            AuditIncomplete: something has to be named first.
        """

    def more(self, told: Told, problem: Problem, run: Run, known: Measurements) -> Mapping[str, Any]:
        """Return further details."""
        return {}

    def resolution(self, problem: Problem) -> float:
        """Return a thousandth for what is continuous, one question for what is counted."""
        counted = self.score in ("told", "judge")
        return 1 / min(self.examples, len(problem.forget)) if counted else 1e-3

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return how much of the forget set comes back; the details have what each way of asking brought."""
        return self.measured(model, problem, run, Measurements())

    def measured(self, model: nn.Module, problem: Problem, run: Run, known: Measurements) -> Score:
        """Return the same, with answers that were measured before looked up."""
        start = time.perf_counter()
        items, beside = sampled(problem, self.examples, run)
        asked = varied(items, beside, self.transforms(items, run, known))
        told = self.ask(model, problem, run, known, items, asked)
        found = told.summary
        return Score(
            found.worst if self.summary == "worst" else found.mean,
            {
                "measure": self.score,
                "before": found.before,
                "mean": found.mean,
                "worst": found.worst,
                "by_variant": found.by_variant,
                "left_out": dict(told.left_out),
                **told.each(self.summary),
                "cost": {**told.cost, "seconds": time.perf_counter() - start},
                "examples": told.examples(),
                **self.more(told, problem, run, known),
            },
        )

    def ask(
        self, model: nn.Module, problem: Problem, run: Run, known: Measurements, items: Sequence[Item], asked: Varied
    ) -> Told:
        """Return what a model replies to all ways of asking that fit what it reads, scored."""
        task = as_causal_lm(problem.task, self.title)
        return self.replied(model, task, run, known, items, fitting(asked, task, self.new_tokens))

    def replied(
        self, model: nn.Module, task: CausalLM, run: Run, known: Measurements, items: Sequence[Item], asked: Varied
    ) -> Told:
        """Return what a model replies to all of these ways of asking, scored."""
        asker = Asker(model, task, run, known)
        replies = cut(asker.replies([variant for own in asked.of for variant in own], self.new_tokens), asked.of)
        return Told(items, replies, self._values(asker, items, replies, run), asked.left_out)

    def _values(
        self, asker: Asker, items: Sequence[Item], replies: Sequence[Sequence[Reply]], run: Run
    ) -> list[list[float]]:
        """Return the score of each reply."""
        flat = [reply for own in replies for reply in own]
        of = [item for item, own in zip(items, replies, strict=True) for _ in own]
        answers, said = [reply.variant.answer for reply in flat], [reply.said for reply in flat]
        if self.score == "recall":
            return cut(recalls(answers, said), replies)
        if self.score == "probability":
            logs = torch.tensor(asker.log_probs([reply.variant for reply in flat]), dtype=torch.float64)
            return cut(list(logs.exp().tolist()), replies)
        questions = [item.prompt for item in of]
        if self.score == "told":
            triples = zip(questions, answers, said, strict=True)
            return cut([float(told(question, answer, text)) for question, answer, text in triples], replies)
        asked = [Asked(question, answer) for question, answer in zip(questions, answers, strict=True)]
        return cut([float(leak) for leak in self._judge(run).leaks(asked, said)], replies)

    def _judge(self, run: Run) -> Judge:
        if isinstance(self.judge, Judge):
            return self.judge
        if self.judge == "":
            raise AuditIncomplete(
                f"{self.title} is to be judged by a model; name it with --judge (judge= in Python), or template "
                "for one that looks for words"
            )
        return writer_of(self.judge, run.device, self.title)[1]
