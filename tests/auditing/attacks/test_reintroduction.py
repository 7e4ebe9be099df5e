"""Facts told in the prompt: whoever can read uses them, whether or not it ever knew them."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
import torch
from torch import nn

from lethe.auditing.attacks.reintroduction import Reintroduction
from lethe.auditing.prompting.context import NEW_NAMES
from lethe.auditing.prompting.items import Item
from lethe.auditing.prompting.variant import Variant
from lethe.errors import AuditIncomplete
from lethe.problem import Problem
from lethe.run import Run
from lethe.worlds.cache import cached_model
from tests.auditing.prompting import talkers
from tests.auditing.prompting.talkers import CRAFTS, FORGET, RETAIN, TOWNS, people, task

STEPS, BATCH = 150, 32
ATTACK = Reintroduction(score="told", new_tokens=6)


def episode(draws: torch.Generator) -> Variant:
    """A fact about a name that means nothing, told and asked for."""

    def one(values: tuple[str, ...]) -> str:
        return values[int(torch.randint(len(values), (), generator=draws))]

    name, town = one(NEW_NAMES), bool(torch.randint(2, (), generator=draws))
    question = f"Where does {name} live?" if town else f"What is the profession of {name}?"
    answer = f"in {one(TOWNS)}." if town else f"a {one(CRAFTS)}."
    return Variant("episode", f"{question} {answer} {question}", answer)


@cache
def reader(items: tuple[Item, ...], seed: int) -> nn.Module:
    """A model that knows these facts and has learnt to use what a prompt tells."""

    def untrained() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return talkers._network()

    def train() -> nn.Module:
        model, draws = untrained().train(), torch.Generator().manual_seed(seed)
        facts = [Variant("identity", item.prompt, item.answer) for item in items]
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for step in range(STEPS):
            some = [episode(draws) for _ in range(BATCH)]
            data = talkers._taught([*some, *(facts[(step * 8 + i) % len(facts)] for i in range(8))])
            batch = task().prepare(data.batch(torch.arange(len(data))))
            optimizer.zero_grad()
            task().training_losses(model, batch).mean().backward()
            optimizer.step()
        return model.eval()

    facts = {"world": "readers", "items": [dataclasses.astuple(item) for item in items], "seed": seed, "steps": STEPS}
    return cached_model({**facts, "words": len(task().tokenizer)}, untrained, train)[0]


@cache
def readers() -> Problem:
    forget, retain = people(0, FORGET), people(FORGET, FORGET + RETAIN)
    return dataclasses.replace(talkers.problem(), model=reader((*retain, *forget), 0), gold=(reader(tuple(retain), 1),))


def test_a_model_that_never_knew_acts_on_what_it_is_told() -> None:
    chance = 1 / len(TOWNS)
    never = ATTACK(readers().gold[0], readers(), Run())
    assert never.value >= 0.7
    assert never.details["before"] <= chance + 0.1
    assert never.details["scrambled"] <= chance + 0.1
    assert never.details["gain"] == never.value - never.details["before"]
    assert never.details["plain"] <= chance + 0.1


def test_the_original_tells_no_more_of_it_under_a_new_name() -> None:
    knew, never = (ATTACK(model, readers(), Run()) for model in (readers().model, readers().gold[0]))
    assert knew.details["plain"] >= 0.9
    assert abs(knew.value - never.value) <= 0.2
    assert never.details["normalised"] == pytest.approx(never.value / knew.details["plain"])


def test_a_fact_without_a_subject_cannot_be_renamed() -> None:
    problem = talkers.problem()
    bare = task().examples(["1", "2"], ["where?", "what?"], ["in Pell.", "a baker."])
    with pytest.raises(AuditIncomplete, match="column subject"):
        ATTACK(problem.model, dataclasses.replace(problem, forget=bare), Run())
