"""UNO and gradient surgery are their formulas."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from lethe.steps import UNO, Plain, Surgery, Terms
from lethe.steps.uno import squared_cosine_slopes
from tests.steps.points import Walk, pair, stepped, vector


def test_surgery_leaves_nothing_along_the_other_gradient_whatever_its_sign():
    for retain in ((2.0, 1.0), (-2.0, 1.0)):
        # g_r - g_f (g_f·g_r)/‖g_f‖² with g_f = (1, 0) is (0, 1).
        moved = stepped(Surgery(), (0.0, 0.0), pair((1, 0), retain), rate=1.0)
        assert moved.tolist() == pytest.approx([0.0, -1.0], abs=1e-9)
    # g_f - g_r (g_f·g_r)/‖g_r‖² with g_f = (3, 4), g_r = (1, 0) is (0, 4).
    moved = stepped(Surgery(keep="forget"), (0.0, 0.0), pair((3, 4), (1, 0)), rate=1.0)
    assert moved.tolist() == pytest.approx([0.0, -4.0], abs=1e-9)


def small_net():
    """Two losses of a net of 50 weights, on eight examples each that are much alike."""
    random = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2), nn.Tanh(), nn.Linear(2, 2)).double()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=random, dtype=torch.float64))
    shared = torch.randn(8, 4, generator=random, dtype=torch.float64)
    data = [shared + 0.3 * torch.randn(8, 4, generator=random, dtype=torch.float64) for _ in range(2)]
    labels = [(x[:, 0] + x[:, 1] > 0).long() for x in data]

    def terms(rows=slice(None)):
        share = len(range(8)[rows]) / 8
        return {
            name: share * nn.functional.cross_entropy(net(x[rows]), y[rows])
            for name, x, y in zip(("forget", "retain"), data, labels, strict=True)
        }

    return net, terms


def squared_cosine(net, terms):
    forget, retain, _ = Terms([terms]).split(list(net.parameters()))
    f, r = (torch.cat([g.flatten() for g in gradient]) for gradient in (forget, retain))
    return float((f @ r) ** 2 / (f @ f) / (r @ r))


def test_the_slope_of_the_squared_cosine_is_that_of_differences():
    net, terms = small_net()
    weights = list(net.parameters())
    forget, retain, _ = Terms([terms]).split(weights)
    found = Terms([terms]).curvature(weights, *squared_cosine_slopes(forget, retain, "forget"))
    random = torch.Generator().manual_seed(1)
    for _ in range(3):
        direction = [torch.randn(w.shape, generator=random, dtype=torch.float64) for w in weights]
        slope = sum(float((g * d).sum()) for g, d in zip(found, direction, strict=True))
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                torch._foreach_add_(weights, direction, alpha=sign * 1e-5)
            values.append(squared_cosine(net, terms))
            with torch.no_grad():
                torch._foreach_add_(weights, direction, alpha=-sign * 1e-5)
        assert slope == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-3)


def test_uno_lowers_the_cosine_where_descent_of_the_retain_loss_does_not():
    after = {}
    for weight in (3.0, 0.0):
        net, terms = small_net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.005)
        before = squared_cosine(net, terms)
        for _ in range(30):
            UNO(orthogonality=weight)(net, Terms([terms]), optimizer)
        after[weight] = squared_cosine(net, terms)
    # 0.39 at first; 0.08 with the penalty and 0.45 without.
    assert after[3.0] < before / 3
    assert after[0.0] > before


def test_uno_takes_the_batch_whole_when_it_comes_in_parts():
    results = []
    for parts in ((slice(0, 8),), (slice(0, 3), slice(3, 8))):
        net, terms = small_net()
        given = Terms([partial(terms, rows) for rows in parts])
        UNO(orthogonality=1.0)(net, given, torch.optim.SGD(net.parameters(), lr=0.1))
        results.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    torch.testing.assert_close(*results, atol=1e-10, rtol=0)


def test_without_penalty_and_forget_term_uno_is_fine_tuning():
    def retain_only(w):
        return {"retain": (w * vector(0.3, 0.7)).sum()}

    uno = stepped(UNO(orthogonality=0.0), (1.0, 2.0), pair((5, -6), (0.3, 0.7)))
    assert torch.equal(uno, stepped(Plain(), (1.0, 2.0), retain_only))


def test_every_second_step_of_the_alternating_form_is_surgery():
    # Linear terms have no curvature, so the UNO step is g_r = (2, 1) and the step of surgery (0, 1).
    walk = Walk(UNO(alternate=True), (0.0, 0.0), pair((1, 0), (2, 1)), rate=1.0)
    assert walk().tolist() == [-2.0, -1.0]
    assert walk().tolist() == pytest.approx([-2.0, -2.0], abs=1e-9)
    assert walk().tolist() == pytest.approx([-4.0, -3.0], abs=1e-9)
