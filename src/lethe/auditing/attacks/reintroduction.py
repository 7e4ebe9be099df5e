"""Reintroduction: tell the forgotten fact in the prompt under a new name, and see whether the model can act on it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lethe.auditing.attacks.prompts import PromptAttack
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.auditing.pairing import of_each
from lethe.auditing.prompting.context import reintroduced
from lethe.auditing.prompting.items import Item, sampled
from lethe.auditing.prompting.variant import Transform, varied
from lethe.errors import AuditIncomplete
from lethe.problem import Problem
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class Reintroduction(PromptAttack):
    """Tell each fact about a new name and ask for it: U = score with the fact told, `before` = score without.

    The gain is G = U - before, the normalised score N = U / (the original's score of the plain question), and
    `scrambled` the score where the fact told is another's, which should be chance. Gold, which never learnt the fact,
    has the U that no unlearning can be below: only what exceeds it says something of unlearning, and where nothing
    does, only a filter of prompts can help. No word of the forgotten name is in any prompt.

    Source: Shumailov et al. 2024 (UnUnlearning), arXiv:2407.00106, which has no experiments; the scores are lethe's.
    """

    title: ClassVar[str] = "Reintroduced in the prompt"

    def transforms(self, items: Sequence[Item], run: Run, known: Measurements) -> Mapping[str, Transform]:
        """Return the fact told, another told, and none told."""
        return {"reintroduced": reintroduced}

    def measured(self, model: nn.Module, problem: Problem, run: Run, known: Measurements) -> Score:
        """Return U, with its controls in the details."""
        start = time.perf_counter()
        items, beside = sampled(problem, self.examples, run)
        asked = varied(items, beside, self.transforms(items, run, known))
        told = self.ask(model, problem, run, known, items, asked)
        by = told.summary.by_variant
        if not {"told", "untold", "scrambled"} <= by.keys():
            raise AuditIncomplete(f"{self.title}: {'; '.join(told.left_out.values())}")
        both = [ways for ways in told.by_way() if {"told", "untold"} <= ways.keys()]
        plain = self.ask(problem.model, problem, run, known, items, asked).summary.before
        return Score(
            by["told"],
            {
                "measure": self.score,
                "before": by["untold"],
                "gain": by["told"] - by["untold"],
                "scrambled": by["scrambled"],
                "normalised": by["told"] / plain if plain else None,
                "plain": told.summary.before,
                "looked_at": len(both),
                **of_each([ways["untold"] for ways in both], [ways["told"] for ways in both]),
                "cost": {**told.cost, "seconds": time.perf_counter() - start},
                "examples": told.examples(),
            },
        )
