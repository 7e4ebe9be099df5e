"""Logit lens: read the answers from the hidden states after each block, before later blocks hide them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from lethe.auditing.attacks.regained import Regaining, best_of, victim
from lethe.auditing.metric import Score
from lethe.hooks import first_blocks
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Task, as_causal_lm


@dataclass(frozen=True, kw_only=True)
class LogitLens(Regaining):
    """What the model's own head reads of the true answers in the hidden states after each block.

    p_l(a | q) = softmax(head(norm(h_l))) token by token, the true answer before each token given: the model with its
    first l blocks and no other. The value is that of the best block, the last one included, where it is what the model
    says. Where an early block is better than that, and better than gold's, the answer is known and held back.

    Source: nostalgebraist 2020, interpreting GPT: the logit lens; Patil et al. 2023, arXiv:2309.17410 (as an attack on
    deleted facts).
    """

    measure: Literal["probability", "accuracy"] = "probability"

    title: ClassVar[str] = "Logit lens"
    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return what the best block shows, with the curve by number of blocks, and that number."""
        start, task = time.perf_counter(), as_causal_lm(problem.task, self.title)
        examples, attacked = self.sample(problem.forget, run), victim(model, run)
        blocks = task.blocks(attacked)
        curve: list[tuple[int, Tensor]] = []
        with run.progress.bar(self.title.lower(), len(blocks)) as bar:
            for count in range(1, len(blocks) + 1):
                run.interrupt_point()
                with first_blocks(blocks, count):
                    curve.append((count, self.look(attacked, task, examples, run)))
                bar.advance()
        best, value = best_of(curve)
        return self.score(value, curve[-1][1], curve, start, examples, {"forwards": len(curve)}, blocks=best)
