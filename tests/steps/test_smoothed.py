"""The smoothing steps are their formulas, on one term alone, and leave the weights where they found them."""

from __future__ import annotations

import pytest
import torch

from lethe.errors import ConfigurationError
from lethe.steps import (
    SAM,
    CurvatureRegularisation,
    GradientPenalty,
    Plain,
    RandomSmoothing,
    Terms,
    WeightAveraging,
)
from tests.steps.points import Point, Walk, bowl, stepped, vector

HESSIAN = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
OTHER = torch.tensor([[1.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
START = (1.0, -2.0)
W = vector(*START)


def terms(w):
    return {"forget": bowl(HESSIAN, vector(0, 0))(w), "retain": bowl(OTHER, vector(1, 1))(w)}


FORGET, RETAIN = HESSIAN @ W, OTHER @ (W - vector(1, 1))


def test_sam_on_the_forget_term_adds_the_retain_gradient_of_the_weights_themselves():
    climbed = W + 0.5 * FORGET / FORGET.norm()
    expected = W - 0.1 * (HESSIAN @ climbed + RETAIN)
    torch.testing.assert_close(stepped(SAM(rho=0.5, on="forget"), START, terms), expected, atol=1e-10, rtol=0)
    # Foret's SAM climbs on the sum of both terms.
    both = FORGET + RETAIN
    climbed = W + 0.5 * both / both.norm()
    expected = W - 0.1 * (HESSIAN @ climbed + OTHER @ (climbed - vector(1, 1)))
    torch.testing.assert_close(stepped(SAM(rho=0.5), START, terms), expected, atol=1e-10, rtol=0)


def test_the_gradient_penalty_has_the_gradient_rho_h_g_over_its_norm():
    expected = W - 0.1 * (FORGET + 0.3 * HESSIAN @ FORGET / FORGET.norm() + RETAIN)
    torch.testing.assert_close(stepped(GradientPenalty(rho=0.3), START, terms), expected, atol=1e-10, rtol=0)


def test_the_gradient_penalty_on_all_terms_takes_the_hessian_of_their_sum():
    both, hessian = FORGET + RETAIN, HESSIAN + OTHER
    expected = W - 0.1 * (both + 0.3 * hessian @ both / both.norm())
    torch.testing.assert_close(stepped(GradientPenalty(rho=0.3, on="all"), START, terms), expected, atol=1e-10, rtol=0)


def test_curvature_is_flat_on_a_bowl_and_exact_where_the_third_derivative_is_not_zero():
    # A quadratic has the same Hessian everywhere: the curvature is constant and has no gradient.
    torch.testing.assert_close(
        stepped(CurvatureRegularisation(gamma=5.0, mu=0.1), START, terms), stepped(Plain(), START, terms)
    )

    # L = Σ w⁴/4: ∇L = w³, H = 3 w²; with v fixed, ∇‖∇L(w + μv) - ∇L(w)‖ = 3 ((w + μv)² - w²) d/‖d‖.
    def quartic(w):
        return {"forget": (w**4).sum() / 4}

    cubes = W**3
    there = W + 0.2 * cubes / cubes.norm()
    apart = there**3 - cubes
    expected = W - 0.01 * (cubes + 0.7 * 3 * (there**2 - W**2) * apart / apart.norm())
    found = stepped(CurvatureRegularisation(gamma=0.7, mu=0.2), START, quartic, rate=0.01)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def test_random_smoothing_is_the_mean_gradient_around_the_weights():
    # E (w + δ)³ = w³ + 3 σ² w: only a mean over points nearby has the second term.
    def quartic(w):
        return {"forget": (w**4).sum() / 4, "retain": w.sum()}

    sigma, samples = 0.5, 4000
    found = (W - stepped(RandomSmoothing(sigma=sigma, samples=samples), START, quartic, rate=1.0)) - 1
    expected = W**3 + 3 * sigma**2 * W
    # The standard deviation of (w + δ)³ is at most about 6.5 here, so four of its mean's are 0.41.
    assert (found - expected).abs().max() < 0.41
    assert (found - W**3).abs().min() > 0.5


def test_the_noise_of_random_smoothing_is_another_in_each_step_and_the_same_in_each_repetition():
    def quartic(w):
        return {"forget": (w**4).sum() / 4}

    step = RandomSmoothing(sigma=0.5, samples=1)
    first, second = (Walk(step, START, quartic, rate=1e-9) for _ in range(2))
    moves = [(first() - W).clone() for _ in range(2)]
    assert torch.equal(second() - W, moves[0])
    assert (moves[1] - 2 * moves[0]).abs().max() > 1e-9


@pytest.mark.parametrize(
    "step",
    [
        SAM(rho=0.0, on="forget"),
        RandomSmoothing(sigma=0.0, samples=1),
        GradientPenalty(rho=0.0),
        CurvatureRegularisation(gamma=0.0),
    ],
    ids=lambda step: type(step).__name__,
)
def test_smoothing_by_nothing_is_the_plain_step(step):
    torch.testing.assert_close(stepped(step, START, terms), stepped(Plain(), START, terms), atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    "step",
    [SAM(on="forget"), SAM(), RandomSmoothing(), GradientPenalty(), CurvatureRegularisation()],
    ids=lambda step: f"{type(step).__name__}-{step.on}",
)
def test_parts_of_a_batch_make_the_step_of_the_whole(step):
    def quartic(share):
        return lambda w: {"forget": share * (w**4).sum() / 4, "retain": share * (w**2).sum()}

    whole = stepped(step, START, quartic(1.0))
    cut = stepped(step, START, quartic(0.25), quartic(0.75))
    torch.testing.assert_close(cut, whole, atol=1e-12, rtol=0)


def test_the_hessian_of_one_term_and_of_the_rest_each_meet_their_own_vector():
    point = Point(*START)
    both = Terms([lambda: terms(point.w)])
    one, other = vector(1.0, 2.0), vector(-3.0, 0.5)
    (found,) = both.curvature([point.w], [one], "forget", [other])
    torch.testing.assert_close(found, HESSIAN @ one + OTHER @ other)
    (found,) = both.curvature([point.w], [one])
    torch.testing.assert_close(found, (HESSIAN + OTHER) @ one)


def test_averaging_ends_with_the_mean_of_every_second_point_from_the_third_on():
    walk = Walk(WeightAveraging(start=3, every=2), (0.0,), lambda w: {"forget": -w.sum()}, rate=1.0)
    assert walk(9).item() == 9.0  # the run itself goes on from θ_t
    assert walk.step.finish(walk.point, walk.optimizer)
    # Points 4, 6 and 8 count: their numbers are multiples of 2 and at least 3.
    assert walk.point.w.item() == pytest.approx(6.0)


def test_averaging_refuses_a_run_that_ends_before_it_begins():
    step = WeightAveraging(start=101, every=5)
    step.check(105)
    with pytest.raises(ConfigurationError, match="takes 104 steps, and averaging begins with step 105"):
        step.check(104)
