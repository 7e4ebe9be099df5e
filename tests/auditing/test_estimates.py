from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from lethe.auditing.estimates import chi_squared, chi_squared_witness, hockey_stick, mmd
from lethe.auditing.kernels import Pair, bandwidths, gaussian, pair, squared_distances
from tests.auditing.samples import three

WIDTHS = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_mmd_is_the_mean_over_pairs_of_different_inputs(generator):
    x, y, _ = three(7, (0, 1, 0), generator)
    pairs = [(i, j) for i in range(7) for j in range(7) if i != j]

    def k(a, b):
        return math.exp(-float((a - b).square().sum()) / 2)

    aligned = sum(k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(y[i], x[j]) for i, j in pairs) / 42
    found = mmd(pair(x, y, torch.ones(1, dtype=torch.float64)))
    assert float(found.value) == pytest.approx(aligned)
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i, j in pairs) / 42
    across = sum(k(a, b) for a in x for b in y) / 49
    found = mmd(pair(x, y, torch.ones(1, dtype=torch.float64), aligned=False))
    assert float(found.value) == pytest.approx(within - 2 * across)


def test_mmd_is_without_bias_where_inputs_are_shared():
    """With the pairs (x_i, y_i) left in, equal distributions would come out closer than equal."""
    generator, values = torch.Generator().manual_seed(0), []
    for _ in range(300):
        x, y, _ = three(20, (0, 0, 0), generator, shared=0.9)
        values.append(mmd(pair(x, y, WIDTHS)).value)
    values = torch.stack(values)
    assert bool((values.mean(0).abs() < 3 * values.std(0) / 300**0.5).all())


def test_equal_samples_are_at_no_distance(generator):
    x, _, _ = three(30, (0, 0, 0), generator)
    same = pair(x, x, WIDTHS)
    for found in (mmd(same), chi_squared(same, 0.1), hockey_stick(same, 0.1, 0.0)):
        torch.testing.assert_close(found.value, torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)


def features(samples: torch.Tensor) -> torch.Tensor:
    """Every monomial of two numbers up to degree two: a feature space small enough to solve in."""
    a, b = samples.T
    return torch.stack([a, b, a * b, a.square(), b.square()], 1)


@pytest.mark.parametrize("strength", [1.0, 0.1, 0.01])
def test_the_chi_squared_witness_is_the_linear_solve(strength, generator):
    x, y, _ = three(40, (0, 0.5, 0), generator)
    p, q = features(x), features(y[:30])
    kernels = Pair((p @ p.T)[None], (p @ q.T)[None], (q @ q.T)[None], aligned=False)
    second_moment = q.T @ q / 30
    witness = torch.linalg.solve(second_moment + strength * torch.eye(5, dtype=torch.float64), p.mean(0) - q.mean(0))
    at_x, at_y = chi_squared_witness(kernels, strength)
    torch.testing.assert_close(at_x[0], p @ witness, atol=1e-8, rtol=0)
    torch.testing.assert_close(at_y[0], q @ witness, atol=1e-8, rtol=0)
    objective = (p @ witness).mean() - (q @ witness + (q @ witness).square() / 2).mean()
    objective -= strength / 2 * witness.square().sum()
    torch.testing.assert_close(chi_squared(kernels, strength).value[0], objective, atol=1e-8, rtol=0)


def test_the_chi_squared_witness_is_a_maximiser(generator):
    x, y, _ = three(25, (0, 0.5, 0), generator)
    kernels = pair(x, y, WIDTHS[:1])
    gram = gaussian(torch.cat([x, y]), torch.cat([x, y]), WIDTHS[:1])[0]

    def objective(coefficients):
        h = gram @ coefficients
        return h[:25].mean() - (h[25:] + h[25:].square() / 2).mean() - 0.05 * coefficients @ h

    best = float(chi_squared(kernels, 0.1).value)
    rng = np.random.default_rng(0)
    start = torch.linalg.lstsq(gram, torch.cat(chi_squared_witness(kernels, 0.1), 1)[0], driver="gelsd").solution
    assert float(objective(start)) == pytest.approx(best, abs=1e-6)
    moved = [float(objective(start + 0.1 * torch.from_numpy(rng.normal(size=50)))) for _ in range(50)]
    assert max(moved) < best


@pytest.mark.parametrize("epsilon", [0.0, math.log(2)])
@pytest.mark.parametrize("strength", [1.0, 0.1, 0.01])
def test_the_hockey_stick_agrees_with_a_general_solver(epsilon, strength, generator):
    x, y, _ = three(12, (0, 1.0, 0), generator)
    gram = gaussian(torch.cat([x, y]), torch.cat([x, y]), WIDTHS[1:2])[0].numpy()
    root = np.linalg.cholesky(gram + 1e-10 * np.eye(24))
    weights = np.r_[np.full(12, 1 / 12), np.full(12, -math.exp(epsilon) / 12)]
    box = {"type": "ineq", "fun": lambda v: np.r_[root @ v, 1 - root @ v]}
    solved = minimize(
        lambda v: strength / 2 * v @ v - weights @ (root @ v), np.full(24, 0.01), constraints=box, method="SLSQP"
    )
    found = float(hockey_stick(pair(x, y, WIDTHS[1:2]), strength, epsilon).value)
    assert found == pytest.approx(-solved.fun, abs=5e-3)


def test_the_hockey_stick_is_a_share_that_falls_with_epsilon_and_nears_one_for_disjoint_samples(generator):
    x, y, far = three(60, (0, 0.7, 100), generator)
    values = [hockey_stick(pair(x, y, WIDTHS), 0.01, epsilon).value for epsilon in (0.0, 0.5, 1.0, 3.0)]
    for tighter, looser in pairwise(values):
        assert bool((looser < tighter).all())
    assert bool((values[0] < 1).all())
    assert float(hockey_stick(pair(x, far, WIDTHS[2:]), 0.001, 0.0).value) > 0.95


@pytest.mark.parametrize(
    ("divergence", "tolerance"),
    [(mmd, 0.1), (lambda p: chi_squared(p, 0.1), 0.15), (lambda p: hockey_stick(p, 1.0, 0.0), 0.5)],
    ids=["mmd", "chi_squared", "hockey_stick"],
)
def test_influences_say_how_the_value_moves_when_a_draw_is_weighed_more(divergence, tolerance, generator):
    """Doubling one of n rows moves the value by its influence, less the mean, over n."""
    x, y, _ = three(80, (0, 1.0, 0), generator, shared=0.0)
    whole = divergence(pair(x, y, WIDTHS, aligned=False))

    def moved(i: int, of_first: bool) -> torch.Tensor:
        first, second = (torch.cat([x, x[[i]]]), y) if of_first else (x, torch.cat([y, y[[i]]]))
        return divergence(pair(first, second, WIDTHS, aligned=False)).value - whole.value

    for of_first, influence in ((True, whole.first), (False, whole.second)):
        actual = torch.stack([moved(i, of_first) for i in range(0, 80, 4)], 1)
        predicted = (influence - influence.mean(1, keepdim=True))[:, ::4] / 80
        torch.testing.assert_close(predicted, actual, atol=tolerance * float(actual.abs().max()), rtol=0)


def test_bandwidths_are_quantiles_of_distances_and_one_where_all_points_agree():
    line = torch.arange(3, dtype=torch.float64).unsqueeze(1)  # distances 1, 1, 2
    assert bandwidths(line, (0.0, 1.0)).tolist() == [1, 2]
    assert bandwidths(torch.cat([line, line]), (0.0,)).tolist() == [1]
    assert bandwidths(torch.zeros(5, 2), (0.5,)).tolist() == [1]
    many = torch.randn(5_000, 2, generator=torch.Generator().manual_seed(0))
    assert float(bandwidths(many, (0.5,))) == pytest.approx(1.665, abs=0.1)  # √(4 log 2), the median in the plane


def test_equal_points_are_at_distance_zero_to_the_bit(generator):
    points = 1e3 + torch.randn(40, 10, generator=generator)
    assert squared_distances(points, points).diagonal().tolist() == [0] * 40
