"""AnswerForms: the same fact spelled out and as a choice, to see whether forgetting depends on the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from lethe.auditing.attacks.prompts import Measure, PromptAttack, Told
from lethe.auditing.measure import Measurements
from lethe.auditing.prompting.items import Item
from lethe.auditing.prompting.options import lettered
from lethe.auditing.prompting.spelling import spelled
from lethe.auditing.prompting.variant import Transform
from lethe.problem import Problem
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class AnswerForms(PromptAttack):
    """Read P = exp(mean_t log p(y_t | prompt, y_<t)) of each forget answer in forms that were not trained on.

    Forms: the answer spelled character by character, and the letter of the right option of four. `spread` in the
    details is the standard deviation between the means of all forms, the plain one among them: unlearning tied to one
    form lowers that alone.

    Args:
        score: what is read, as for every prompt attack.
        summary: as for every prompt attack; forms differ in level, so that their mean is the default.

    Source: the ORT benchmark, Ye et al. 2025, arXiv:2506.07795.
    """

    score: Measure = "probability"
    summary: Literal["worst", "mean"] = "mean"

    title: ClassVar[str] = "Other answer forms"

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return the forms."""
        return {"spelled": spelled, "multiple_choice": lettered}

    def more(self, told: Told, problem: Problem, run: Run, known: Measurements) -> Mapping[str, Any]:
        """Return the spread between forms."""
        return {"spread": float(np.std([told.summary.before, *told.summary.by_variant.values()]))}
