"""LoKU, card 086: the inverted hinge spares what ascent destroys, and FILA begins nearer to the goal than chance."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from lethe.api import unlearn
from lethe.descent import Objective
from lethe.feeds import draw as drawn
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.loku import LoKU
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA
from tests.domains import Domains, known, loss, uneven


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Domains().problem(gold=())


def test_the_forget_term_is_the_mean_hinge_over_all_answer_tokens_of_the_batch(problem):
    ragged = uneven(problem)
    rows, task = torch.arange(3), ragged.task
    objective: Objective = LoKU(retain="none").objective(ragged, Run())
    with torch.no_grad():
        named = objective(ragged.model, drawn(ragged, (rows, None), 0, 0, torch.device("cpu")))
        batch = ragged.forget.batch(rows)
        p = task.outputs(ragged.model, batch).double().softmax(-1)
    total = 0.0
    for row, target in zip(p.tolist(), task.targets(batch).tolist(), strict=True):
        total += max(0.0, 1 + row[target] - max(value for v, value in enumerate(row) if v != target))
    lengths = task.answer_lengths(batch)
    assert lengths.tolist() == [2, 3, 4]  # so that a mean over answers is another number
    assert float(named["forget"].mean()) == pytest.approx(total / 9, rel=1e-5)


@dataclass
class FirstBelow:
    """Watches when the forget accuracy first is this or less, and the loss on texts of others then."""

    problem: Problem
    level: float
    step: int = 0
    reached: int | None = None
    rise: float = float("inf")

    def __call__(self, model: nn.Module) -> dict[str, float]:
        self.step += 1
        if self.reached is None and known(self.problem, model) <= self.level:
            self.reached = self.step
            before = loss(self.problem, self.problem.model, self.problem.retain)
            self.rise = loss(self.problem, model, self.problem.retain) - before
        return {}


OPTIONS = {"epochs": 30, "batch_size": 16, "warmup_epochs": 0.0, "schedule": "constant"}


def first_below(problem: Problem, method, level: float = 0.25) -> FirstBelow:
    watch = FirstBelow(problem, level)
    unlearn(problem, method, watch=watch, watch_every=1)
    assert watch.reached is not None
    return watch


def test_at_equal_forgetting_others_lose_at_most_half_of_what_ascent_costs_them(problem):
    options = {**OPTIONS, "retain": "none", "learning_rate": 3e-3, "scope": LoRA(rank=8, alpha=16)}
    hinge, ascent = first_below(problem, LoKU(**options)), first_below(problem, GradDiff(**options))
    assert hinge.rise <= 0.5 * ascent.rise


@pytest.mark.parametrize("rank", [1, 2])
def test_adapters_that_begin_at_what_matters_need_fewer_steps(problem, rank):
    options = {**OPTIONS, "learning_rate": 1e-2}
    fila, random = (
        first_below(problem, LoKU(**options, scope=LoRA(rank=rank, alpha=2 * rank, init=init)), level=0.5)
        for init in ("fila", "random")
    )
    assert 2 * fila.reached < random.reached
