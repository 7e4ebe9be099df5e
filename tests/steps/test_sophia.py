"""Sophia is its formula, its estimates are those of the Hessian's diagonal, and its limits are where they should be."""

from __future__ import annotations

import math

import pytest
import torch

from lethe.errors import ConfigurationError
from lethe.feeds import Draw
from lethe.run import Run
from lethe.steps import SAM, Clip, Disruption, Sophia, Terms
from lethe.steps.sophia import ClippedNewton
from lethe.terms import Asked
from lethe.testing.language import tiny_language_problem
from lethe.training_loss import training_loss
from tests.helpers import tiny_problem
from tests.steps.points import Walk, bowl, pair, stepped, vector

START = (1.0, -2.0)
W = vector(*START)
SLOPES = pair((2, -3), (1, 1))  # their sum is (3, -2)


def test_two_steps_of_the_release_form_by_hand():
    # g = (3, -2) always; B ρ = 2. m = 0.1 g after a step, h = 0.05 g²: 0.1 g / (0.1 g²) = 1/g, clipped at 1.
    step = Sophia(estimate="gradient", every=1, rho=0.5, batch=4)
    walk = Walk(step, START, SLOPES, rate=0.6)
    first = vector(1 / 3, -1 / 2)
    torch.testing.assert_close(walk(), W - 0.6 * first, atol=1e-6, rtol=0)
    # m = 0.19 g, h = 0.0975 g²: 0.19 g / (0.195 g²) = 0.974359/g.
    torch.testing.assert_close(walk(), W - 0.6 * first * 1.9743590, atol=1e-6, rtol=0)
    assert walk.optimizer.clipped_share() == 0.0


def test_the_release_mixes_each_gradient_twice_into_the_momentum():
    # m = 0.19 g and h = 0.05 g² at the first step: 0.19 g / (2 · 0.05 g²) = 1.9/g.
    step = Sophia(estimate="gradient", every=1, rho=0.5, batch=4, momentum_twice=True)
    torch.testing.assert_close(stepped(step, START, SLOPES), W - 0.1 * vector(1.9 / 3, -1.9 / 2), atol=1e-6, rtol=0)


def test_an_entry_is_clipped_where_the_card_says():
    # B ρ = 204.8: at the first step m/(B ρ h) = 0.1 g / (10.24 g²), more than 1 where |g| < 0.0098.
    slopes = pair((0.0097, 0.0099), (0, 0))
    moved = W - stepped(Sophia(estimate="gradient", every=1), START, slopes, rate=1.0)
    assert moved[0].item() == pytest.approx(1.0, abs=1e-6)
    assert moved[1].item() == pytest.approx(0.1 / (10.24 * 0.0099), abs=1e-6)


def test_without_curvature_it_moves_by_the_sign_and_with_much_it_does_not_move():
    for rho, move in ((0.0, 0.1), (1e12, 0.0)):
        step = Sophia(estimate="gradient", every=1, rho=rho)
        expected = W - move * vector(1, -1)
        torch.testing.assert_close(stepped(step, START, SLOPES), expected, atol=1e-9, rtol=0)


def test_no_entry_moves_farther_than_the_learning_rate():
    random = torch.Generator().manual_seed(0)
    walk = Walk(
        Sophia(estimate="gradient", every=3, rho=1e-3),
        (0.0,) * 20,
        lambda w: {"forget": (w * torch.randn(20, generator=random, dtype=torch.float64)).sum()},
        rate=0.01,
    )
    before = walk.point.w.detach().clone()
    for _ in range(30):
        after = walk()
        assert (after - before).abs().max() <= 0.01 + 1e-7
        before = after


def test_weight_decay_is_on_matrices_alone_and_beside_the_clipped_step():
    matrix, vector_ = (torch.nn.Parameter(torch.ones(shape)) for shape in ((2, 2), (2,)))
    optimizer = Sophia().optimizer([matrix, vector_], 0.1, 0.5)
    for weight in (matrix, vector_):
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert torch.allclose(matrix, torch.full((2, 2), 0.95))
    assert torch.equal(vector_, torch.ones(2))


def test_with_the_exact_diagonal_it_crosses_an_ill_conditioned_bowl_five_times_faster_than_descent():
    """From (1, 1) to within 10⁻³ of the optimum, on a bowl of condition number κ = 10⁴.

    Descent at its best rate, 2/(1 + κ), shrinks both coordinates by (κ - 1)/(κ + 1) a step: 36 275 steps.
    """
    scales = vector(1.0, 1e4)
    w = torch.nn.Parameter(vector(1.0, 1.0))
    newton = ClippedNewton([w], lr=0.5, scale=1.0)
    steps = 0
    while w.detach().norm() > 1e-3 and steps < 7000:
        if steps % 10 == 0:
            newton.estimate([scales])
        w.grad = scales * w.detach()
        newton.step()
        steps += 1
    descent = math.log(1e-3 / math.sqrt(2)) / math.log((1e4 - 1) / (1e4 + 1))
    assert descent > 36_000
    assert steps * 5 < descent


def test_hutchinsons_estimate_is_the_diagonal_of_the_hessian_on_average():
    hessian = torch.tensor([[2.0, 0.5], [0.5, -1.0]], dtype=torch.float64)
    point = Walk(Sophia(estimate="hutchinson"), START, lambda w: {"forget": bowl(hessian, vector(0, 0))(w)}).point
    step = Sophia(estimate="hutchinson")
    draws = torch.stack(
        [
            step.diagonal([point.w], Terms([lambda: {"forget": bowl(hessian, vector(0, 0))(point.w)}], seed=seed))[0]
            for seed in range(1000)
        ]
    )
    # The standard deviation of u (H u) is at most 2.9 here: four of its mean's are 0.37.
    assert (draws.mean(0) - vector(2.0, -1.0)).abs().max() < 0.37


def test_the_sampled_estimate_is_the_diagonal_of_the_gauss_newton_matrix_on_average():
    """B ĝ ⊙ ĝ over drawn labels against Σ_c p_c (∂ log p_c)², the Fisher of softmax, from a linear model."""
    problem = tiny_problem()
    head = torch.nn.Linear(4, 3).double()
    with torch.no_grad():
        head.weight.copy_(torch.randn(3, 4, generator=torch.Generator().manual_seed(3)) / 2)
        head.bias.zero_()

    class Logits(torch.nn.Module):
        def forward(self, x):
            return head(x.double())

    batch = problem.forget.batch(torch.arange(12))
    loss = training_loss(problem, Run(), 0)
    total = torch.zeros(3, dtype=torch.float64)
    count = 1000
    for step in range(count):
        asked = Terms([], training=lambda asked, step=step: loss(Logits(), Draw(batch, None, 0, step), asked))
        total += Sophia().diagonal([head.bias], asked)[0] * len(batch) / count
        assert head.bias.grad is None
    probabilities = head(batch.tensor("input").double()).softmax(-1).detach()
    expected = (probabilities * (1 - probabilities)).mean(0)
    torch.testing.assert_close(total, expected, atol=0.03, rtol=0)
    # The true labels give the square of the mean gradient instead, which is far off.
    head.bias.grad = None
    Terms(loss(Logits(), Draw(batch, None, 0, 0), Asked())).backward([head.bias])
    assert (head.bias.grad.square() * len(batch) - expected).abs().max() > 0.1


def test_drawn_tokens_follow_the_model_and_do_not_depend_on_how_a_batch_is_cut():
    problem = tiny_language_problem()
    task, whole = problem.task, problem.retain.batch(torch.arange(6))
    outputs = task.outputs(problem.model, whole).detach()
    drawn = task.with_drawn_targets(outputs, whole, seed=5)
    prompts = torch.arange(whole.tensor("tokens").shape[1]) < whole.tensor("answer_from")[:, None]
    assert torch.equal(drawn.tensor("tokens")[prompts], whole.tensor("tokens")[prompts])
    flat = task.with_drawn_targets(torch.zeros_like(outputs), whole, seed=5)
    assert (task.targets(flat) != task.targets(whole)).float().mean() > 0.8
    for place in range(6):
        one = whole.at(torch.tensor([place]))
        alone = task.with_drawn_targets(torch.zeros(int(task.answer_lengths(one)), outputs.shape[1]), one, seed=5)
        length = int(one.tensor("length"))
        assert torch.equal(alone.tensor("tokens")[0, :length], flat.tensor("tokens")[place, :length])
    other = task.with_drawn_targets(torch.zeros_like(outputs), whole, seed=6)
    assert not torch.equal(other.tensor("tokens"), flat.tensor("tokens"))


def test_the_estimate_is_renewed_every_k_steps():
    asked = []

    def training(w, what):
        asked.append((walk.taken, what.labels))
        return {"forget": (w * vector(1, 2)).sum()}

    walk = Walk(Sophia(every=3), START, SLOPES, training=training)
    walk(7)
    assert asked == [(0, "drawn"), (3, "drawn"), (6, "drawn")]


def test_the_step_within_gives_the_gradient():
    # Clipped to norm 1, (3, -2) is (3, -2)/√13; without curvature and with m = 0.1 g the signs are the same, so
    # compare what is remembered.
    step = Sophia(estimate="gradient", every=1, inner=Clip(1.0))
    walk = Walk(step, START, SLOPES)
    walk()
    torch.testing.assert_close(
        walk.optimizer.state[walk.point.w]["m"].double(), 0.1 * vector(3, -2) / 13**0.5, atol=1e-6, rtol=0
    )
    assert Sophia(inner=SAM(on="forget")).requirements() == {"forget"}
    with pytest.raises(ConfigurationError, match="Sophia cannot take the step Disruption within"):
        Sophia(inner=Disruption()).optimizer([walk.point.w], 0.1, 0.0)


def test_what_it_remembers_stays_in_single_precision_when_it_is_loaded():
    weight = torch.nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    first, second = (ClippedNewton([weight], lr=0.0, squares_every=1) for _ in range(2))
    weight.grad = torch.full((4,), 1.01e-5, dtype=torch.bfloat16)
    first.step()
    second.load_state_dict(first.state_dict())
    assert second.state[weight]["h"].dtype == torch.float32
    assert torch.equal(second.state[weight]["h"], first.state[weight]["h"])
    assert second.taken() == 1
