"""The step of selective amnesia, card 079, and that of Opt-Out, card 057, on gradients worked out by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lethe.steps import AdaptiveRetain, Alternating
from lethe.terms import Terms


def taken(step, optimizer, weight: nn.Parameter, retain: float) -> dict[str, float]:
    """One step on L_forget = -w and L_retain = retain + 2 (w - w_now): gradients -1 and 2, values as given."""
    now = weight.detach().clone()

    def evaluated():
        return {"forget": -weight.sum(), "retain": retain + 2 * (weight - now).sum()}

    return {name: float(value) for name, value in step(nn.Module(), Terms([evaluated]), optimizer).items()}


@pytest.mark.parametrize(
    ("excess", "paper", "release"),
    [(-1, 1.2, 1.2), (0, 1.2, 1.2), (0.161, 1.2, 1.2), (0.3, 1.3135, 1.3135), (1, 2.6, 2.3), (2, 2.8, 2.3)],
)
def test_the_weight_grows_exponentially_between_its_bounds(excess, paper, release):
    assert AdaptiveRetain().weight(excess) == pytest.approx(paper, abs=1e-3)
    assert AdaptiveRetain(high=2.3).weight(excess) == pytest.approx(release, abs=1e-3)
    assert AdaptiveRetain().weight(1e6) == 2.8


def test_the_first_steps_take_the_mean_and_later_ones_are_weighed_against_it():
    weight = nn.Parameter(torch.zeros(1))
    optimizer, step, moved = torch.optim.SGD([weight], lr=1.0), AdaptiveRetain(first=2), []
    for retain in (1.0, 3.0, 3.0, 2.0, 9.0):  # the mean of the first two is 2
        before = float(weight.detach())
        taken(step, optimizer, weight, retain)
        moved.append(before - float(weight.detach()))
    # g_f + α g_r = -1 + 2 α, with α = 1.2, 1.2, then 0.3·6 + 0.8, 1.2 and the cap.
    assert moved == pytest.approx([1.4, 1.4, 4.2, 1.4, 4.6], rel=1e-5)


def test_the_release_divides_the_mean_so_that_the_weight_sits_at_its_cap():
    weight = nn.Parameter(torch.zeros(1))
    optimizer, step = torch.optim.SGD([weight], lr=1.0), AdaptiveRetain(first=1, divisor=120.0)
    taken(step, optimizer, weight, 2.0)
    before = float(weight.detach())
    taken(step, optimizer, weight, 2.0)  # 2 - 2/120 above the mean, although nothing has become worse
    assert before - float(weight.detach()) == pytest.approx(-1 + 2 * 2.8, rel=1e-5)


def test_the_mean_is_part_of_the_optimisers_state():
    weight = nn.Parameter(torch.zeros(1))
    optimizer, step = torch.optim.AdamW([weight], lr=0.1), AdaptiveRetain(first=1)
    taken(step, optimizer, weight, 2.5)
    again = torch.optim.AdamW([weight], lr=0.1)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    states = []
    for one in (optimizer, again):
        weight.data.zero_()
        taken(step, one, weight, 3.5)
        states.append(float(weight.detach()))
    assert states[0] == states[1]


def test_two_updates_a_batch_forget_first():
    weight = nn.Parameter(torch.tensor([1.0]))
    seen = []

    def evaluated():
        seen.append(float(weight.detach()))
        return {"forget": -weight.sum(), "retain": weight.square().sum(), "transport": weight.square().sum()}

    values = Alternating()(nn.Module(), Terms([evaluated]), torch.optim.SGD([weight], lr=0.25))
    assert seen == [1.0, 1.25]  # w + 0.25 first
    assert float(weight.detach()) == pytest.approx(1.25 - 0.25 * 2 * 2 * 1.25)
    assert {name: float(value) for name, value in values.items()} == {"forget": -1.0, "retain": 1.0, "transport": 1.0}


def test_only_the_second_update_is_limited():
    weight = nn.Parameter(torch.tensor([1.0]))

    def evaluated():
        return {"forget": -10 * weight.sum(), "retain": 10 * weight.sum()}

    Alternating(max_norm=1.0)(nn.Module(), Terms([evaluated]), torch.optim.SGD([weight], lr=1.0))
    assert float(weight.detach()) == pytest.approx(1 + 10 - 1, rel=1e-4)
