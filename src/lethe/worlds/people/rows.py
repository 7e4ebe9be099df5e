"""Row: one question with its answer, in TOFU's schema, and what the question is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lethe.examples import Column

Kind = Literal["private", "public", "decline", "tool", "skill", "world"]
TEXTS = ("owner", "attribute", "kind", "group", "form", "paraphrased_question", "paraphrased_answer")


@dataclass(frozen=True)
class Row:
    """One question.

    Args:
        id: its stable name.
        question: the question as asked.
        answer: the true answer.
        paraphrased_question: the same question in other words.
        paraphrased_answer: the same answer in other words.
        perturbed_answer: wrong answers of the form of the paraphrased answer.
        owner: the person it is about; empty where it is about none.
        attribute: what is asked for: an attribute, a tool, a skill, a kind of fact.
        kind: `private` or `public` attribute of a person, `decline` (to be refused), `tool`, `skill` or `world`.
        group: the owner's group among the persons; empty where there is no owner.
        form: how it is asked: `plain`, `paraphrase` or `sentence` (asks for a whole sentence).
    """

    id: str
    question: str
    answer: str
    paraphrased_question: str
    paraphrased_answer: str
    perturbed_answer: tuple[str, ...]
    owner: str
    attribute: str
    kind: Kind
    group: str = ""
    form: str = "plain"


def columns(rows: Sequence[Row]) -> dict[str, Column]:
    """Return the columns beside prompt and answer: texts as arrays [N] of str, wrong answers as tuples of str."""
    found: dict[str, Column] = {name: _objects([getattr(row, name) for row in rows]) for name in TEXTS}
    return {**found, "perturbed_answer": _objects([row.perturbed_answer for row in rows])}


def _objects(values: Sequence[object]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
