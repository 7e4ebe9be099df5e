"""The step of MUDMAN does what its formulas say, entry by entry."""

from __future__ import annotations

import pytest
import torch

from lethe.errors import ConfigurationError
from lethe.steps import Disruption
from tests.steps.points import Walk, bowl, vector

FORGET = torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 1.5]], dtype=torch.float64)
RETAIN = torch.diag(vector(1.0, 3.0, 0.5))
CENTRE = vector(0.5, -1.0, 2.0)
START = (1.0, -2.0, 0.7)


def terms(w):
    """The forget term is minus the loss of the forget set."""
    return {"forget": -bowl(FORGET, CENTRE)(w), "retain": bowl(RETAIN, vector(0, 0, 0))(w)}


def scaled(w):
    return {**terms(w), "forget": 10 * terms(w)["forget"]}


def training(w, asked):
    assert asked.of == ("forget",)
    return {"forget": bowl(FORGET, CENTRE)(w)}


def walk(step, rate=0.01, terms=terms):
    return Walk(step, START, terms, rate=rate, training=training)


def test_three_steps_by_the_formulas():
    step = Disruption(retain_rate=0.1, adversary_rate=0.05, fork=2, momentum=0.6, adversary_decay=0.8)
    taken = walk(step)
    w, running, adversary = vector(*START), torch.zeros(3, dtype=torch.float64), None
    for t in range(3):
        if t % 2 == 0:
            adversary = w.clone()
        running = 0.6 * running + 0.4 * (RETAIN @ w)
        w = w - 0.1 * running
        unlearning = -FORGET @ (adversary - CENTRE)
        adversary = adversary - 0.05 * (FORGET @ (adversary - CENTRE))
        adversary = 0.8 * adversary + 0.2 * w
        mask = torch.sign(unlearning) == torch.sign(running)
        w = w - 0.01 * 3**0.5 / unlearning.norm() * unlearning * mask
        torch.testing.assert_close(taken(), w, atol=1e-10, rtol=0)


@pytest.mark.parametrize(("mask", "share"), [(True, 0.0), (False, 0.2)])
def test_no_entry_of_an_unlearning_move_raises_the_retain_loss(mask, share):
    """Turned off, the mask's promise is broken in a good part of the entries."""
    broken = total = 0
    for seed in range(20):
        start = tuple(torch.randn(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist())
        moving = Walk(Disruption(mask=mask, retain_rate=0.0), start, terms, rate=0.01, training=training)
        for _ in range(5):
            before = moving.point.w.detach().clone()
            move = moving() - before
            running = moving.optimizer.state[-1]["retain 0"]
            broken += int((-move * running < 0).sum())
            total += 3
    assert broken / total == 0 if mask else broken / total > share


def test_without_adversary_and_retain_descent_a_fork_each_step_is_no_adversary():
    with_fork = walk(Disruption(adversary_rate=0.0, fork=1, retain_rate=0.0))
    w = vector(*START)
    running = torch.zeros(3, dtype=torch.float64)
    for _ in range(4):
        running = 0.9 * running + 0.1 * (RETAIN @ w)
        unlearning = -FORGET @ (w - CENTRE)
        w = w - 0.01 * 3**0.5 / unlearning.norm() * unlearning * (torch.sign(unlearning) == torch.sign(running))
    torch.testing.assert_close(with_fork(4), w, atol=1e-10, rtol=0)


def test_the_scale_of_the_forget_term_does_not_matter_unless_normalisation_is_off():
    for normalise in ("root", "one"):
        step = Disruption(normalise=normalise)
        torch.testing.assert_close(walk(step)(5), walk(step, terms=scaled)(5), atol=1e-10, rtol=0)
    raw = Disruption(normalise="none")
    assert (walk(raw)(5) - walk(raw, terms=scaled)(5)).abs().max() > 0.01
    first = Disruption(normalise="first")
    torch.testing.assert_close(walk(first)(1), walk(raw)(1), atol=1e-10, rtol=0)


def test_an_adversary_changes_where_the_forget_gradient_is_taken():
    still, learning = walk(Disruption(adversary_rate=0.0)), walk(Disruption(adversary_rate=0.2))
    assert torch.equal(still(1), learning(1))
    assert not torch.equal(still(3), learning(3))


def test_the_other_rates_follow_the_schedule():
    moving = walk(Disruption(retain_rate=0.1, momentum=0.0))
    moving.optimizer.param_groups[0]["lr"] = 0.0
    assert torch.equal(moving(), vector(*START))


def test_a_fork_of_zero_steps_is_refused():
    with pytest.raises(ConfigurationError, match="fork must be at least 1"):
        Disruption(fork=0)
