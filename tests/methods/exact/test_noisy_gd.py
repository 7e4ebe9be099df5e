"""Noisy gradient descent: its moments, its certificate, and the attack that exact retraining falls to."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.exact.acu import ACU
from lethe.methods.exact.noisy_gd import NoisyGD, NoisyGDService
from lethe.methods.exact.renyi import Langevin, approximate, gaussian
from lethe.methods.exact.service import Service
from lethe.models import fingerprint
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.digits import load_digits

TASK = Classification(classes=10, input="image", scale=1 / 16)
BASE = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
DIGITS = load_digits()
PRIVATE = Langevin(lipschitz=1.0, convexity=0.1, smoothness=0.5, step=0.5, sigma=0.1, records=1000)


def fitted(examples: Examples, folder: Path | None = None, seed: int = 0, **more: float) -> NoisyGDService:
    system = NoisyGD(**{"sigma": 0.005, "steps": 300, "epsilon": 1.0, **more})  # type: ignore[arg-type]
    return system.fit(BASE, TASK, examples, run=Run(seed=seed), folder=folder)


def test_iterates_of_a_quadratic_have_the_moments_of_the_recursion() -> None:
    """m ← (I - ηH) m + ηb, Σ ← (I - ηH) Σ (I - ηH) + 2ησ²I, here with the head's own noise and many chains."""
    hessian, b, eta, sigma, steps = (
        torch.tensor([[1.0, 0.3], [0.3, 0.5]]).double(),
        torch.tensor([1.0, -1.0]).double(),
        0.4,
        0.3,
        20,
    )
    generator, chains = torch.Generator().manual_seed(0), 20_000
    weights = torch.zeros(chains, 2, dtype=torch.float64)
    mean, covariance = torch.zeros(2).double(), torch.zeros(2, 2).double()
    shrink = torch.eye(2).double() - eta * hessian
    for _ in range(steps):
        drawn = torch.randn(chains, 2, generator=generator, dtype=torch.float64)
        weights = weights - eta * (weights @ hessian - b) + math.sqrt(2 * eta) * sigma * drawn
        mean, covariance = (
            shrink @ mean + eta * b,
            shrink @ covariance @ shrink + 2 * eta * sigma**2 * torch.eye(2).double(),
        )
    error = (covariance.diagonal() / chains).sqrt()
    assert bool(((weights.mean(0) - mean).abs() < 3 * error).all())
    torch.testing.assert_close(weights.T.cov(), covariance, rtol=0.05, atol=0.005)


def test_the_divergence_of_gaussians_is_that_of_the_formulas() -> None:
    mean, other = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 0.5]).double()
    covariance = torch.tensor([[1.0, 0.2], [0.2, 2.0]]).double()
    gap = mean - other
    expected = 3 / 2 * float(gap @ torch.linalg.solve(covariance, gap))
    assert gaussian(3.0, mean, covariance, other, covariance) == pytest.approx(expected)
    # One dimension, unequal variances, by integration of (1/(q-1)) log ∫ p^q r^(1-q).
    x = np.linspace(-30, 30, 400_001)
    p, r = (np.exp(-((x - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v) for m, v in ((0.5, 1.0), (0.0, 1.5)))
    integral = np.trapezoid(p**2 / r, x)
    one = [torch.tensor([v]).double() for v in (0.5, 1.0, 0.0, 1.5)]
    found = gaussian(2.0, one[0], one[1].view(1, 1), one[2], one[3].view(1, 1))
    assert found == pytest.approx(math.log(integral), rel=1e-6)
    assert gaussian(4.0, one[0], one[3].view(1, 1), one[2], one[1].view(1, 1)) == math.inf


def test_without_noise_it_is_gradient_descent_and_without_steps_the_weights_stay() -> None:
    service = fitted(DIGITS.take(range(100)), sigma=1e-12)
    start = torch.ones(10, 64, dtype=torch.float64)
    assert service._descended(start, 0, 5).equal(start)
    x, y = service._features, service._targets
    weight = start.clone().requires_grad_(True)
    loss = -(y * (x @ weight.T).log_softmax(1)).sum(1).mean() + 0.05 / 2 * weight.square().sum()
    (gradient,) = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(
        service._descended(start, 1, 5), start - service.langevin.step * gradient, atol=1e-9, rtol=0
    )


def test_steps_grow_with_the_logarithm_of_the_target_and_not_with_the_records() -> None:
    targets = np.logspace(-1, -8, 15)
    steps = [PRIVATE.steps_for(0.001 * target, 2.0) for target in targets]
    fit = np.corrcoef(np.log(1 / targets), steps)[0, 1] ** 2
    assert fit > 0.99
    more = Langevin(lipschitz=1.0, convexity=0.1, smoothness=0.5, step=0.5, sigma=0.1, records=100_000)
    assert more.steps_for(1e-6, 2.0) <= PRIVATE.steps_for(1e-6, 2.0)
    assert PRIVATE.deletion(2.0, [PRIVATE.steps_for(1e-6, 2.0)]) <= 1e-6
    chain = [40, 60]
    second = (
        math.exp(-0.1 * 0.5 * 60 / 2)
        * 1.5
        / 1
        * (PRIVATE.training(4.0) + math.exp(-0.1 * 0.5 * 40 / 4) * PRIVATE.training(4.0))
    )
    assert PRIVATE.deletion(2.0, chain) == pytest.approx(second)
    assert approximate(lambda q: q * 0.02, 1e-5) == pytest.approx(0.02 + 2 * math.sqrt(0.02 * math.log(1e5)), rel=1e-4)


def test_it_learns_and_goes_on_where_it_was(tmp_path: Path) -> None:
    digits = DIGITS.take(range(1000))
    service = fitted(digits, tmp_path, ridge=0.003, radius=4.0, epsilon=50.0)
    test = DIGITS.take(range(1200, 1500)).batch(torch.arange(300))
    with torch.no_grad():
        accuracy = float((TASK.outputs(service.model(), test).argmax(-1) == TASK.labels(test)).float().mean())
    assert accuracy > 0.8
    took = service.delete(digits.ids[:2])
    told = service.guarantee()
    assert told["epsilon"] <= 50.0
    assert told["steps"] == took.steps
    again = fitted(digits.take(range(2, 1000)), tmp_path, ridge=0.003, radius=4.0, epsilon=50.0)
    assert fingerprint(again.model()) == fingerprint(service.model())
    assert again.guarantee() == told


def test_what_was_deleted_is_no_part_of_what_comes_after() -> None:
    """Once blanked, a record of any content gives the same noise and the same steps, and fades alike."""
    digits = DIGITS.take(range(200))
    images = digits.tensor("image").clone()
    images[0] = 16 - images[0]
    one, other = fitted(digits, epsilon=1e-3), fitted(digits.with_column("image", images), epsilon=1e-3)
    before = float((one.weight - other.weight).norm())
    took = one.delete(digits.ids[:1])
    other.delete(digits.ids[:1])
    shrink = 1 - one.langevin.step * one.langevin.convexity
    assert before > 0
    assert float((one.weight - other.weight).norm()) <= before * shrink**took.steps * 1.01


def test_settings_that_certify_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="sigma must be above 0"):
        fitted(DIGITS.take(range(20)), sigma=0.0)
    with pytest.raises(ConfigurationError, match="too long to certify"):
        Langevin(lipschitz=1.0, convexity=0.1, smoothness=0.5, step=2.0, sigma=0.1, records=10)
    with pytest.raises(ConfigurationError, match="train anew"):
        PRIVATE.steps_for(0.1, 2.0, [10] * 900)


# The adaptive requester: other records come to encode the one that is deleted.

PLAIN = Classification(classes=2, input="x")
DIMENSION, HELPERS, PADDING = 4, 10, 60


def world(bit: int) -> Examples:
    """A target whose label is the secret, and helpers of two kinds, each along a direction of its own."""
    x = torch.zeros(1 + 2 * HELPERS + PADDING, DIMENSION)
    x[0, 0] = 1.0
    x[1 : 1 + HELPERS, 1] = 1.0
    x[1 + HELPERS : 1 + 2 * HELPERS, 2] = 1.0
    x[1 + 2 * HELPERS :, 3] = 1.0
    labels = torch.zeros(len(x), dtype=torch.long)
    labels[0] = bit
    labels[1 : 1 + 2 * HELPERS] = 1
    return Examples.of(prefix="r", x=x, label=labels)


def leaning(model: nn.Module, direction: int) -> float:
    """How much the model prefers class 1 along a direction."""
    x = torch.zeros(1, DIMENSION)
    x[0, direction] = 1.0
    with torch.no_grad():
        logits: Tensor = model(x)
    return float(logits[0, 1] - logits[0, 0])


def told_apart(fit: Callable[[Examples, int], Service], trials: int) -> float:
    """How often somebody who sees only the last release guesses the secret of the deleted record."""
    right = 0
    for trial in range(trials):
        bit = trial % 2
        service = fit(world(bit), trial)
        seen = int(leaning(service.model(), 0) > 0)
        chosen = range(1, 1 + HELPERS) if seen else range(1 + HELPERS, 1 + 2 * HELPERS)
        service.delete([f"r{i}" for i in chosen])
        service.delete(["r0"])
        released = service.model()
        right += int((leaning(released, 1) < leaning(released, 2)) == bool(bit))
    return right / trials


def test_exact_retraining_tells_what_an_adaptive_requester_saw_and_noise_does_not() -> None:
    base = nn.Sequential(nn.Linear(DIMENSION, 2))
    exact = told_apart(lambda examples, seed: ACU().fit(base, PLAIN, examples), 20)
    assert exact >= 0.95

    def noisy(examples: Examples, seed: int) -> Service:
        system = NoisyGD(sigma=0.25, ridge=0.5, steps=60, epsilon=0.5, radius=1.0)
        service = system.fit(base, PLAIN, examples, run=Run(seed=seed))
        assert service.guarantee()["privacy"] < 0.1
        return service

    assert abs(told_apart(noisy, 200) - 0.5) < 0.1


# The hidden state: what nobody published averages out of many releases.

RELEASES = 12


def with_a_hidden_state(bit: int, seed: int) -> list[float]:
    """Keep weights without noise, take one step a request from them, and publish them under fresh noise."""
    examples, noise = world(bit), Run(seed=seed).generator("published noise")
    x, y = examples.tensor("x").double(), torch.eye(2, dtype=torch.float64)[examples.tensor("label")]
    weight, seen = torch.zeros(2, DIMENSION, dtype=torch.float64), list[float]()
    for step in range(60 + RELEASES):
        if step >= 60:  # the target is deleted first, then a record a release
            x[0 if step == 60 else -(step - 60)] = 0.0
        weight = weight - 0.9 * (((x @ weight.T).softmax(1) - y).T @ x / len(x) + 0.05 * weight)
        if step >= 60:
            told = weight[1, 0] - weight[0, 0] + 0.3 * torch.randn((), generator=noise, dtype=torch.float64)
            seen.append(float(told))
    return seen


def without_one(bit: int, seed: int) -> list[float]:
    """Delete the same records in the same order by noisy gradient descent."""
    system = NoisyGD(sigma=0.25, ridge=0.5, steps=60, epsilon=0.5, radius=1.0)
    service = system.fit(nn.Sequential(nn.Linear(DIMENSION, 2)), PLAIN, world(bit), run=Run(seed=seed))
    seen = []
    for name in ("r0", *(f"r{len(world(0)) - i}" for i in range(1, RELEASES))):
        service.delete([name])
        seen.append(leaning(service.model(), 0))
    return seen


def told_by_the_mean(releases: Callable[[int, int], list[float]], trials: int) -> tuple[float, float]:
    """How often the secret is guessed from the first release after the deletion, and from the mean of all."""
    runs = [(trial % 2, releases(trial % 2, trial)) for trial in range(trials)]
    first = sum((seen[0] > 0) == bool(bit) for bit, seen in runs)
    return first / trials, sum((sum(seen) > 0) == bool(bit) for bit, seen in runs) / trials


def test_many_releases_tell_a_hidden_state_and_nothing_of_one_that_is_published_as_it_is() -> None:
    one, many = told_by_the_mean(with_a_hidden_state, 200)
    assert many > max(one + 0.15, 0.8)
    one, many = told_by_the_mean(without_one, 100)
    assert abs(many - 0.5) < 0.15
