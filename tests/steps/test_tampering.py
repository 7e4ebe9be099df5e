"""The outer step of tamper-attack resistance is its formula along a path worked out beside it."""

from __future__ import annotations

import math

import pytest
import torch

from lethe.errors import ConfigurationError
from lethe.steps import TamperResistance
from tests.steps.points import Walk, bowl, vector

FORGET = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
CENTRE = vector(0.5, -1.0)
START = (1.0, -2.0)


def terms(w):
    return {"forget": -bowl(FORGET, CENTRE)(w), "retain": (w * vector(0.3, 0.7)).sum()}


def training(w, asked):
    """Every further batch has another optimum."""
    return {asked.of[0]: bowl(FORGET, CENTRE + 0.1 * asked.batch)(w) if asked.of == ("forget",) else (w**2).sum()}


def test_the_gradient_is_gathered_along_the_attack_and_nothing_else_is_left_of_it():
    step = TamperResistance(attack_steps=4, every=2, rates=(0.05,), attacks=("forget",), scale=3.0, growth=0.5)
    moved = Walk(step, START, terms, rate=0.1, training=training)()
    attacked = torch.nn.Parameter(vector(*START))
    adamw = torch.optim.AdamW([attacked], lr=0.05, weight_decay=0.01)
    gathered = torch.zeros(2, dtype=torch.float64)
    for i in range(4):
        attacked.grad = FORGET @ (attacked.detach() - CENTRE - 0.1 * (i + 1))
        adamw.step()
        if i in (1, 3):
            gathered += math.exp(0.5 * (i - 3)) * -FORGET @ (attacked.detach() - CENTRE)
    expected = vector(*START) - 0.1 * (3.0 * gathered + vector(0.3, 0.7))
    torch.testing.assert_close(moved, expected, atol=1e-10, rtol=0)


def test_an_attack_may_train_on_retain_examples_first():
    asked = []

    def record(w, what):
        asked.append((what.of[0], what.batch))
        return training(w, what)

    walk = Walk(TamperResistance(attack_steps=64, attacks=("retain_then_forget",)), START, terms, training=record)
    walk()
    sets = [name for name, _ in asked]
    switch = sets.index("forget")
    assert 0 < switch < 64
    assert sets == ["retain"] * switch + ["forget"] * (64 - switch)
    assert [batch for _, batch in asked] == list(range(1, 65))


def test_attacks_are_drawn_as_the_card_says():
    step = TamperResistance()
    generator = torch.Generator().manual_seed(0)
    drawn = [step.drawn(generator) for _ in range(4000)]
    for rate in step.rates:
        assert sum(r == rate for r, _ in drawn) / 4000 == pytest.approx(1 / 3, abs=0.04)
    shares = torch.tensor([switch / 64 for _, switch in drawn if switch])
    assert len(shares) / 4000 == pytest.approx(1 / 2, abs=0.04)
    # Beta(6, 3) has the mean 2/3 and the variance 18/810.
    assert float(shares.mean()) == pytest.approx(2 / 3, abs=0.02)
    assert float(shares.var()) == pytest.approx(18 / 810, rel=0.15)


def test_an_interval_beyond_the_attack_is_refused():
    with pytest.raises(ConfigurationError, match="every must lie between 1 and attack_steps"):
        TamperResistance(attack_steps=2)
