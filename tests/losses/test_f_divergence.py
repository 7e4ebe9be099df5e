"""FLAT's eight rows are the conjugates they claim to be, and rise."""

from __future__ import annotations

import math

import pytest
import torch

from lethe import losses
from lethe.errors import ConfigurationError

NAMES = sorted(losses.F_DIVERGENCES)
V = torch.linspace(0, 1, 101, dtype=torch.float64)


def test_there_are_the_eight_rows_of_the_paper_and_nobody_can_change_them():
    assert len(losses.F_DIVERGENCES) == 8
    with pytest.raises(TypeError):
        losses.F_DIVERGENCES["kl"] = losses.F_DIVERGENCES["pearson"]
    with pytest.raises(ConfigurationError, match="'pearson'"):
        losses.flat(V, V, "pearsn")


@pytest.mark.parametrize("name", NAMES)
def test_the_composed_curve_is_the_conjugate_of_the_activation(name):
    row = losses.F_DIVERGENCES[name]
    torch.testing.assert_close(row.composed(V), row.conjugate(row.activation(V)), atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_conjugate_is_the_supremum_over_the_generator(name):
    row = losses.F_DIVERGENCES[name]
    t = torch.logspace(-6, 4, 20001, dtype=torch.float64)
    u = row.activation(V)
    numerical = (u[:, None] * t - row.generator(t)).amax(-1)
    torch.testing.assert_close(row.conjugate(u), numerical, atol=2e-6, rtol=2e-6)
    assert row.generator(torch.tensor(1.0, dtype=torch.float64)).item() == 0


@pytest.mark.parametrize("name", NAMES)
def test_both_curves_rise(name):
    row = losses.F_DIVERGENCES[name]
    v = V.clone().requires_grad_()
    for curve in (row.activation, row.composed):
        (slope,) = torch.autograd.grad(curve(v).sum(), v)
        assert bool((slope > 0).all())
    template, forget = V.clone().requires_grad_(), V.clone().requires_grad_()
    down, up = torch.autograd.grad(losses.flat(template, forget, name).sum(), [template, forget])
    assert bool((down < 0).all())
    assert bool((up > 0).all())


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_both_orders_are_those_of_the_curves(name):
    v = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: losses.flat(x, x**2, name), v)
    assert torch.autograd.gradgradcheck(lambda x: losses.flat(x, x**2, name), v)


def test_the_curves_are_those_of_the_table():
    v = 0.3
    x = torch.tensor(v, dtype=torch.float64)
    table = {
        "total_variation": (0.5 * math.tanh(v), 0.5 * math.tanh(v)),
        "jensen_shannon": (math.log(2) - math.log(1 + math.exp(-v)), v + math.log(1 + math.exp(-v)) - math.log(2)),
        "pearson": (v, v * v / 4 + v),
        "kl": (v, math.exp(v - 1)),
        "reverse_kl": (-math.exp(-v), v - 1),
        "squared_hellinger": (1 - math.exp(-v), math.exp(v) - 1),
        "neyman": (1 - math.exp(-v), 2 - 2 * math.exp(-v / 2)),
    }
    for name, (g, h) in table.items():
        row = losses.F_DIVERGENCES[name]
        assert row.activation(x).item() == pytest.approx(g, abs=1e-14)
        assert row.composed(x).item() == pytest.approx(h, abs=1e-14)


def test_jeffrey_is_its_closed_form_in_lamberts_function_near_the_series_of_the_release():
    row = losses.F_DIVERGENCES["jeffrey"]
    for w in (0.6, 0.75, 1.0):  # w = W(e^{1-u}) where u = 1 - w - log w
        u = 1 - w - math.log(w)
        assert row.conjugate(torch.tensor(u, dtype=torch.float64)).item() == pytest.approx(w + 1 / w + u - 2, abs=1e-14)
    torch.testing.assert_close(row.composed(V), V + V**2 / 4 + V**3 / 16, atol=0.02, rtol=0)


def test_total_variation_of_equal_answers_is_zero_with_no_gradient():
    logits = torch.randn(4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    v = logits.softmax(-1)[0]
    loss = losses.flat(v, v)
    (slope,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert slope.tolist() == [0, 0, 0, 0]


def test_pearson_has_the_slopes_of_the_paper():
    template = torch.tensor([0.1, 0.8], dtype=torch.float64, requires_grad=True)
    forget = torch.tensor([0.4, 0.9], dtype=torch.float64, requires_grad=True)
    down, up = torch.autograd.grad(losses.flat(template, forget, "pearson").sum(), [template, forget])
    assert down.tolist() == [-1, -1]
    assert up.tolist() == pytest.approx([1.2, 1.45], abs=1e-14)
