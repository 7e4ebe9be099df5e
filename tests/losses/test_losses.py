"""Losses and scores agree with their formulas in float64 and keep their ranges."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe import losses

logits = st.lists(st.lists(st.floats(-30, 30), min_size=4, max_size=4), min_size=1, max_size=5)


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    raw = [math.exp(v - top) for v in row]
    return [v / sum(raw) for v in raw]


@given(logits, st.floats(0.5, 8))
def test_kl_is_its_formula_times_temperature_squared(rows, temperature):
    a, b = torch.tensor(rows, dtype=torch.float64), torch.tensor(rows, dtype=torch.float64).flip(-1)
    expected = []
    for row in rows:
        p, q = softmax([v / temperature for v in row]), softmax([v / temperature for v in row[::-1]])
        expected.append(temperature**2 * sum(x * (math.log(x) - math.log(y)) for x, y in zip(p, q, strict=True)))
    torch.testing.assert_close(
        losses.kl_divergence(a, b, temperature), torch.tensor(expected, dtype=torch.float64), atol=1e-7, rtol=1e-5
    )


@given(logits)
def test_js_is_symmetric_bounded_and_zero_on_itself(rows):
    a = torch.tensor(rows, dtype=torch.float64)
    b = a.flip(-1)
    js = losses.js_divergence(a, b)
    torch.testing.assert_close(js, losses.js_divergence(b, a))
    assert bool(((js >= -1e-12) & (js <= math.log(2) + 1e-12)).all())
    torch.testing.assert_close(losses.js_divergence(a, a), torch.zeros(len(a)).double(), atol=1e-12, rtol=0)


@given(logits, st.integers(0, 3))
def test_margin_is_the_log_odds_of_the_true_class(rows, label):
    a, y = torch.tensor(rows, dtype=torch.float64), torch.full((len(rows),), label)
    expected = []
    for row in rows:
        p = softmax(row)
        rest = sum(p[c] for c in range(4) if c != label)
        expected.append(math.log(p[label]) - math.log(rest) if rest > 0 else math.inf)
    torch.testing.assert_close(losses.margin(a, y), torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=1e-5)


@given(logits, st.integers(0, 3))
def test_modified_entropy_is_its_formula_and_finite_where_the_model_is_certain(rows, label):
    a, y = torch.tensor(rows, dtype=torch.float64), torch.full((len(rows),), label)
    values = losses.modified_entropy(a, y)
    assert bool(torch.isfinite(values).all())
    assert bool((values >= 0).all())
    for row, value in zip(rows, values.tolist(), strict=True):
        p = softmax(row)
        if max(p) < 0.999:
            own = -(1 - p[label]) * math.log(p[label])
            others = -sum(p[c] * math.log(1 - p[c]) for c in range(4) if c != label)
            assert math.isclose(value, own + others, rel_tol=1e-6, abs_tol=1e-9)


def test_modified_entropy_separates_sure_and_right_from_sure_and_wrong():
    sure = torch.tensor([[40.0, 0.0, 0.0]])
    right, wrong = (losses.modified_entropy(sure, torch.tensor([label])).item() for label in (0, 1))
    assert right < 1e-6
    assert wrong > 10


@given(logits)
def test_soft_cross_entropy_is_kl_plus_the_entropy_of_the_teacher_and_rests_on_it(rows):
    teacher = torch.tensor(rows, dtype=torch.float64)
    student = teacher.flip(-1)
    expected = losses.kl_divergence(teacher, student) + losses.entropy(teacher)
    torch.testing.assert_close(losses.soft_cross_entropy(teacher, student), expected, atol=1e-9, rtol=1e-9)
    same = teacher.clone().requires_grad_()
    (slope,) = torch.autograd.grad(losses.soft_cross_entropy(teacher, same).sum(), same)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0)
