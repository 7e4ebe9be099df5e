"""IAU takes the one step that it promises, and that step forgets without harm to the rest."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lethe.api import unlearn
from lethe.errors import ConfigurationError
from lethe.examples import Examples, concatenate
from lethe.measuring import example_losses
from lethe.methods.edits.iau import IAU
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.base import Training, fit
from lethe.worlds.digits import network
from tests.helpers import accuracies, gap_to_gold, tiny_problem


def flat(model: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def mean_gradient(problem: Problem, examples: Examples) -> torch.Tensor:
    batch = examples.batch(torch.arange(len(examples)))
    loss = F.cross_entropy(problem.model.eval()(batch.tensor("input")), batch.tensor("label"))
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(problem.model.parameters()))])


@pytest.mark.parametrize("correction", [1.0, 0.5, 0.0])
def test_with_sgd_the_change_is_the_difference_of_the_mean_gradients(correction):
    problem = tiny_problem(forget=12, retain=40)
    wanted = 0.3 * (mean_gradient(problem, problem.forget) - correction * mean_gradient(problem, problem.retain))
    method = IAU(learning_rate=0.3, optimizer="sgd", correction=correction, batch_size=7)
    change = flat(unlearn(problem, method).model) - flat(problem.model)
    torch.testing.assert_close(change, wanted, rtol=0, atol=1e-6)


def test_with_adam_the_change_is_the_first_step_of_adam():
    problem = tiny_problem()
    step = mean_gradient(problem, problem.retain) - mean_gradient(problem, problem.forget)
    weight = nn.Parameter(flat(problem.model).clone())
    weight.grad = step
    torch.optim.Adam([weight], lr=1e-3).step()
    found = flat(unlearn(problem, IAU()).model)
    # Where the gradient is no more than rounding its sign is, too.
    clear = step.abs() > 1e-6
    torch.testing.assert_close(found[clear], weight.detach()[clear], rtol=0, atol=1e-6)
    assert float((found - flat(problem.model)).abs().max()) <= 1e-3 * (1 + 1e-3)


def test_with_nothing_to_forget_it_descends_the_retain_loss():
    problem = tiny_problem()
    empty = dataclasses.replace(problem, forget=problem.forget.take([]))
    direction = IAU().direction(empty, Run())
    wanted = -mean_gradient(problem, problem.retain)
    torch.testing.assert_close(torch.cat([d.flatten() for d in direction.values()]), wanted, rtol=0, atol=1e-6)


class Ridge:
    """Logistic regression with a ridge, solved by Newton in float64."""

    def __init__(self, whitened: bool, count: int = 600, size: int = 6, ridge: float = 0.05) -> None:
        random = torch.Generator().manual_seed(0)
        x = torch.randn(count, size, generator=random, dtype=torch.float64)
        x = x * torch.linspace(0.5, 2, size, dtype=torch.float64)
        if whitened:
            x = x - x.mean(0)
            x = x @ torch.linalg.inv(torch.linalg.cholesky(x.t() @ x / count)).t()
        score = x @ torch.linspace(-1, 1, size, dtype=torch.float64) * (0.2 if whitened else 1)
        self.y = (torch.rand(count, generator=random, dtype=torch.float64) < score.sigmoid()).long()
        self.x, self.ridge = x, ridge
        self.forget = torch.arange(count) < count // 20

    def loss(self, w: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        logits = self.x[rows] @ w.view(2, -1).t()
        return F.cross_entropy(logits, self.y[rows]) + self.ridge / 2 * w.square().sum()

    def solved(self, rows: torch.Tensor) -> torch.Tensor:
        w = torch.zeros(2 * self.x.shape[1], dtype=torch.float64)
        for _ in range(30):
            gradient = torch.func.grad(self.loss)(w, rows)
            w = w - torch.linalg.solve(self.hessian(w, rows), gradient)
        return w

    def hessian(self, w: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return torch.func.hessian(self.loss)(w, rows)

    def influence(self, w: torch.Tensor) -> torch.Tensor:
        every = torch.ones(len(self.x), dtype=torch.bool)

        def unpenalised(w: torch.Tensor) -> torch.Tensor:
            return self.loss(w, self.forget) - self.ridge / 2 * w.square().sum()

        total = torch.func.grad(unpenalised)(w) * self.forget.sum()
        return torch.linalg.solve(self.hessian(w, every), total) / len(self.x)

    def problem(self) -> tuple[Problem, torch.Tensor, torch.Tensor]:
        every = torch.ones(len(self.x), dtype=torch.bool)
        w, gold = self.solved(every), self.solved(~self.forget)
        model = nn.Linear(self.x.shape[1], 2, bias=False)
        model.weight.data.copy_(w.view(2, -1))
        examples = Examples.of(input=self.x.float(), label=self.y)
        parts = (examples.take(m.nonzero().flatten()) for m in (self.forget, ~self.forget))
        return Problem(model, Classification(classes=2), *parts), w, gold


@pytest.mark.parametrize(("whitened", "least"), [(False, 0.3), (True, 0.99)])
def test_the_step_points_where_the_influence_of_the_deleted_points(whitened, least):
    """Where the Hessian is about a multiple of the identity the two agree up to their length."""
    ridge = Ridge(whitened)
    problem, w, gold = ridge.problem()
    method = IAU(optimizer="sgd", correction=0.0, learning_rate=0.02)
    moved = flat(unlearn(problem, method).model).double() - w
    assert float(torch.cosine_similarity(moved, ridge.influence(w), dim=0)) > least
    assert float((w + moved - gold).norm()) < float((w - gold).norm())
    assert float((w - moved - gold).norm()) > float((w - gold).norm())


def losses(problem: Problem, model: nn.Module) -> tuple[float, ...]:
    return tuple(
        float(example_losses(model, problem.task, examples, Run()).mean())
        for examples in (problem.forget, problem.retain)
    )


def recall(problem: Problem, model: nn.Module) -> float:
    """Share of the forget set that a loss threshold takes for members; it finds 95 % of those the original knows."""
    known, now = (example_losses(m, problem.task, problem.forget, Run()) for m in (problem.model, model))
    return float((now <= known.quantile(0.95)).float().mean())


def test_mislabelled_examples_are_forgotten_and_nothing_else(mislabelled):
    """A step the other way, as training on would take, forgets nothing."""
    model = unlearn(mislabelled, IAU()).model
    (forget, retain), (before, kept) = losses(mislabelled, model), losses(mislabelled, mislabelled.model)
    assert forget > 3 * before
    assert retain < 1.1 * kept
    assert accuracies(mislabelled, model)[2] > accuracies(mislabelled, mislabelled.model)[2] - 0.02
    assert gap_to_gold(mislabelled, model) < gap_to_gold(mislabelled, mislabelled.model) - 0.02
    assert recall(mislabelled, mislabelled.gold[0]) < 0.1
    assert recall(mislabelled, model) < 0.7


def test_without_the_correction_the_retain_loss_suffers_more(random_subset):
    """On an original that is no optimum, which is what the correction is for."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = network("cnn")
    everything = concatenate(random_subset.retain, random_subset.forget)
    early = dataclasses.replace(
        random_subset, model=fit(model, random_subset.task, everything, Training(epochs=3), 0).eval()
    )
    corrected, plain = (losses(early, unlearn(early, IAU(correction=c)).model) for c in (1.0, 0.0))
    before = losses(early, early.model)
    assert corrected[0] > before[0]
    assert corrected[1] < before[1] + 0.5 * (plain[1] - before[1])


def test_it_costs_one_pass_over_each_set(mislabelled):
    result = unlearn(mislabelled, IAU())
    assert result.record["cost"]["examples"] == len(mislabelled.forget) + len(mislabelled.retain)


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"correction": -1.0}, {"batch_size": 0}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        unlearn(tiny_problem(), IAU(**wrong))
