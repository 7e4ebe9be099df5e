"""What surveys of the field say of all methods alike holds here: one objective, one method on records and on texts."""

from __future__ import annotations

import torch
from torch import nn

from lethe.measuring import example_losses
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.methods.descent.grad_diff import GradDiff
from lethe.problem import Problem
from lethe.run import Run
from lethe.testing import tiny_problem
from lethe.testing.language import tiny_language_problem

ADAM = {
    "epochs": 3, "batch_size": 2, "learning_rate": 1e-3, "optimizer": "adamw", "weight_decay": 0.0,
    "schedule": "constant", "warmup_epochs": 0.0,
}  # fmt: skip


def likelihood(model: nn.Module, problem: Problem) -> float:
    """Return the mean probability of the forget set's labels, or answers (geometric mean over their tokens)."""
    return float((-example_losses(model, problem.task, problem.forget, Run())).exp().mean())


def test_the_unified_objective_without_a_retain_term_is_gradient_ascent_step_for_step():
    problem = tiny_language_problem()
    ascent = GradientAscent(**ADAM).unlearn(problem, Run())
    unified = GradDiff(**ADAM, retain="none").unlearn(problem, Run())
    for name, weight in ascent.state_dict().items():
        assert torch.equal(weight, unified.state_dict()[name]), name
    moved = zip(ascent.state_dict().values(), problem.model.state_dict().values(), strict=True)
    assert any(not torch.equal(after, before) for after, before in moved)


def test_one_method_unlearns_records_and_texts():
    """Structured and unstructured data are one interface: the same object lowers both by three tenths and more."""
    method = GradientAscent(epochs=8, batch_size=8, learning_rate=3e-3, optimizer="adamw")
    for problem in (tiny_problem(), tiny_language_problem()):
        before = likelihood(problem.model, problem)
        assert likelihood(method.unlearn(problem, Run()), problem) <= before - 0.3
