"""Item: one question of a set with all that a prompt may be made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lethe.errors import AuditIncomplete
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run

SUBJECTS = ("subject", "owner", "entity_name")
"""Columns that name whom or what a question is about, in order of preference."""

_NAME = re.compile(r"(?<=[\w,] )[A-Z][\w'-]*(?: [A-Z][\w'-]*)*")


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: the example's id.
        prompt: the question as it is asked.
        answer: the true answer.
        paraphrase: the same question in other words; empty where the data has none.
        wrong: wrong answers; empty where the data has none.
        subject: whom or what it is about; empty where nothing tells.
    """

    id: str
    prompt: str
    answer: str
    paraphrase: str = ""
    wrong: tuple[str, ...] = ()
    subject: str = ""

    def named_subject(self) -> str:
        """Return the subject; raises AuditIncomplete where it is not known."""
        if not self.subject:
            raise AuditIncomplete(f"needs to know what '{self.id}' is about; give a column subject")
        return self.subject


@dataclass(frozen=True, eq=False)
class Beside:
    """What stands beside an item, and where its chance comes from.

    Attributes:
        forget: the items to be forgotten.
        retain: items that are kept; empty where there is no retain set.
        run: whose seed the draws come from: every item has numbers of its own, alike for all models.
    """

    forget: tuple[Item, ...]
    retain: tuple[Item, ...]
    run: Run

    def order(self, count: int, *names: object) -> list[int]:
        """Return 0 … count - 1 in an order drawn for these names."""
        return list(torch.randperm(count, generator=self.run.generator("prompts", *names)).tolist())

    def kept(self) -> tuple[Item, ...]:
        """Return the items that are kept; raises AuditIncomplete where there are none."""
        if not self.retain:
            raise AuditIncomplete("needs questions that are kept; give a retain set")
        return self.retain


def items_of(examples: Examples) -> tuple[Item, ...]:
    """Return the items of a set, in its order.

    Read are the columns `prompt` and `answer`, `paraphrased_question`, `perturbed_answer` (a list of texts) and the
    first there is of `subject`, `owner` and `entity_name`. Where none of these is, the longest run of capitalised words
    that does not begin a sentence is the subject.
    """
    texts = {name: _texts(examples, name) for name in ("prompt", "answer", "paraphrased_question")}
    column = next((name for name in SUBJECTS if name in examples.columns), None)
    subjects = _texts(examples, column) if column else [named_in(prompt) for prompt in texts["prompt"]]
    wrong = examples.columns.get("perturbed_answer", [None] * len(examples))
    return tuple(
        Item(name, prompt, answer, paraphrase, tuple(map(str, others or ())), subject)
        for name, prompt, answer, paraphrase, others, subject in zip(
            examples.ids, *texts.values(), wrong, subjects, strict=True
        )
    )


def sampled(problem: Problem, count: int, run: Run) -> tuple[tuple[Item, ...], Beside]:
    """Return at most `count` items of the forget set, drawn at random, and what stands beside them."""
    chosen = problem.forget.sample(count, run.generator("asked"))
    retain = items_of(problem.retain) if problem.retain is not None else ()
    return items_of(chosen), Beside(items_of(problem.forget), retain, run)


def named_in(text: str) -> str:
    """Return the longest run of capitalised words inside a sentence, empty where there is none.

    >>> named_in("When was Ada Lowe born in Paris?")
    'Ada Lowe'
    """
    return max(_NAME.findall(text), key=len, default="").removesuffix("'s")


def _texts(examples: Examples, name: str) -> Sequence[str]:
    if name not in examples.columns:
        return [""] * len(examples)
    return ["" if text is None else str(text) for text in np.asarray(examples[name])]
