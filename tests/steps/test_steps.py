"""Each step is its formula on a problem small enough to work out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lethe.errors import ConfigurationError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.gradient_ascent import NegGradPlus
from lethe.steps import SAM, Agreeing, Clip, Orthogonal, Plain, Terms


class Point(nn.Module):
    """A model that is nothing but its weights."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values, dtype=torch.float64))


def stepped(step, start, terms, rate=0.1):
    point = Point(*start)
    values = step(point, Terms([lambda: terms(point.w)]), torch.optim.SGD(point.parameters(), lr=rate))
    return point.w.detach(), values


def pair(forget, retain):
    """Linear terms: their gradients are the given vectors."""
    f, r = torch.tensor(forget, dtype=torch.float64), torch.tensor(retain, dtype=torch.float64)
    return lambda w: {"forget": (w * f).sum(), "retain": (w * r).sum()}


def test_plain_adds_all_terms_and_reports_each():
    w, values = stepped(Plain(), (1.0, 1.0), pair((1, 0), (0, 2)))
    assert w.tolist() == pytest.approx([0.9, 0.8])
    assert {name: float(v) for name, v in values.items()} == {"forget": 1.0, "retain": 2.0}


def test_clip_limits_the_norm_and_leaves_small_gradients():
    w, _ = stepped(Clip(1.0), (0.0, 0.0), pair((3, 0), (0, 4)), rate=1.0)
    assert w.norm().item() == pytest.approx(1.0, abs=1e-5)
    w, _ = stepped(Clip(10.0), (0.0, 0.0), pair((3, 0), (0, 4)), rate=1.0)
    assert w.tolist() == [-3.0, -4.0]


def test_sam_steps_with_the_gradient_at_the_worst_point_nearby():
    curvature = torch.tensor([1.0, 4.0], dtype=torch.float64)
    start = torch.tensor([1.0, -2.0], dtype=torch.float64)
    gradient = curvature * start
    climbed = start + 0.5 * gradient / gradient.norm()
    w, _ = stepped(SAM(0.5), start.tolist(), lambda w: {"all": 0.5 * (curvature * w * w).sum()})
    torch.testing.assert_close(w, start - 0.1 * curvature * climbed, atol=1e-10, rtol=0)


def test_sam_with_radius_zero_is_the_plain_step():
    terms = pair((1, -2), (0.5, 3))
    assert torch.equal(stepped(SAM(0.0), (1.0, 2.0), terms)[0], stepped(Plain(), (1.0, 2.0), terms)[0])


def test_orthogonal_removes_only_what_undoes_the_retain_gradient():
    # g_f·g_r = -1: the part along g_r goes, (0, 1) stays, then g_r is added.
    w, _ = stepped(Orthogonal(), (0.0, 0.0), pair((-1, 1), (1, 0)), rate=1.0)
    assert w.tolist() == [-1.0, -1.0]
    # g_f·g_r = +1: no conflict, nothing is removed.
    w, _ = stepped(Orthogonal(), (0.0, 0.0), pair((1, 1), (1, 0)), rate=1.0)
    assert w.tolist() == [-2.0, -1.0]
    w, _ = stepped(Orthogonal(only_conflicts=False), (0.0, 0.0), pair((1, 1), (1, 0)), rate=1.0)
    assert w.tolist() == [-1.0, -1.0]


def test_agreeing_keeps_the_entries_that_pull_the_same_way():
    w, _ = stepped(Agreeing(), (0.0, 0.0, 0.0), pair((2, -3, 5), (1, 1, 0)), rate=1.0)
    assert w.tolist() == [-3.0, -1.0, 0.0]


@pytest.mark.parametrize("step", [Orthogonal(), Agreeing()])
def test_a_step_that_compares_two_gradients_is_refused_where_there_is_one(step):
    with pytest.raises(ConfigurationError, match="FineTune has no forget term there"):
        FineTune(step=step).check()
    NegGradPlus(step=step).check()
