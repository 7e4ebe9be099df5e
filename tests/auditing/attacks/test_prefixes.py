"""Soft prompts, adversarial tokens and the first tokens of answers: attacks that put something before."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe import models
from lethe.auditing.attacks.greedy_coordinate import GreedyCoordinate, Search
from lethe.auditing.attacks.prefix_extraction import PrefixExtraction
from lethe.auditing.attacks.prefixed import embeddings, prefixed_outputs
from lethe.auditing.attacks.soft_prompt import SoftPrompt
from lethe.errors import AuditIncomplete, ConfigurationError
from lethe.run import Run
from tests.auditing.attacks.hiding import gained, hidden, most_from_gold, people, refusing, scored

FIRST = "embed_tokens"
"""What is read first: a beginning can tell the model otherwise."""


@pytest.mark.parametrize(("attack", "least"), [(SoftPrompt(), 0.25), (GreedyCoordinate(), 0.15)])
def test_a_beginning_brings_back_what_was_only_hidden(attack, least) -> None:
    assert gained(attack, hidden(FIRST)) > least
    assert most_from_gold(attack) < 0.1


def test_given_the_first_token_a_model_that_refuses_says_the_rest() -> None:
    attack = PrefixExtraction(counts=(1,))
    score = scored(attack, refusing())
    assert score.details["before"] == 0
    assert score.value > 0.3
    assert most_from_gold(attack) < 0.05
    assert score.details["examples"][0]["prompt"] == people().forget["prompt"][0]
    assert len(score.details["examples"]) == 5


def test_the_whole_rest_comes_from_the_original_and_it_is_what_follows_the_prefix() -> None:
    score = scored(PrefixExtraction(counts=(0, 1, 2, 400)), people().model)
    values = dict(map(tuple, score.details["curve"]))
    assert values[0] == values[1] == values[2] == 1
    assert values[400] in (0.0, 1.0)  # all but the end is given
    assert scored(PrefixExtraction(counts=(0,)), people().gold[0]).details["before"] == (
        scored(PrefixExtraction(counts=(0,)), people().gold[0]).value
    )


@pytest.mark.parametrize("attack", [SoftPrompt(steps=0), GreedyCoordinate(steps=0)])
def test_no_step_gives_what_the_plain_prompts_bring(attack) -> None:
    score = scored(attack, hidden(FIRST))
    assert score.value == score.details["before"]
    assert len(score.details["curve"]) == 1


def test_tokens_as_a_prefix_are_the_tokens_themselves() -> None:
    model, task, forget = people().model, people().task, people().forget
    batch = forget.batch(torch.arange(5))
    tokens = torch.tensor([30, 41, 52])
    rows = batch.tensor("tokens")
    begun = int((rows[:, 0] == task.tokenizer.bos_token_id).all())
    longer = torch.cat([rows[:, :begun], tokens.to(rows).expand(5, -1), rows[:, begun:]], 1)
    moved = batch.with_column("tokens", longer)
    for name in ("length", "answer_from"):
        moved = moved.with_column(name, batch.tensor(name) + 3)
    with torch.no_grad():
        expected = task.outputs(model, moved)
        found = prefixed_outputs(model, task, batch, embeddings(model)(tokens))
    assert torch.allclose(found, expected, atol=1e-4)
    # And one of its own for each example.
    with torch.no_grad():
        apart = prefixed_outputs(model, task, batch, embeddings(model)(tokens.expand(5, -1)))
    assert torch.allclose(apart, found, atol=1e-5)


def test_the_gradient_of_a_token_is_that_of_its_one_hot_row() -> None:
    model, task, own = people().model, people().task, people().forget.take([0, 1, 2])
    tokens, table, batch = torch.tensor([30, 41]), embeddings(model).weight.detach(), own.batch(torch.arange(3))
    one_hot = torch.nn.functional.one_hot(tokens, len(table)).float().requires_grad_(True)
    task.losses_from(prefixed_outputs(model, task, batch, one_hot @ table), batch).mean().backward()
    assert one_hot.grad is not None
    found = Search(model, task, own, Run()).gradient(tokens)
    assert torch.allclose(found, one_hot.grad[:, : found.shape[1]], atol=1e-5)
    assert float(found.abs().max()) > 1e-3


def test_neighbours_differ_in_one_place_and_hold_no_special_token() -> None:
    search = Search(people().model, people().task, people().forget.take([0, 1]), Run())
    tokens = search.begin(4)
    tried = search.neighbours(tokens, candidates=20, top=6, step=1)
    assert bool(((tried != tokens).sum(1) <= 1).all())
    assert set(people().task.tokenizer.all_special_ids).isdisjoint(tried.flatten().tolist())
    for place in range(4):
        assert len(set(tried[:, place].tolist()) - {int(tokens[place])}) <= 6
    one = torch.stack([search.losses(row.unsqueeze(0))[0] for row in tried[:3]])
    assert torch.allclose(search.losses(tried)[:3], one, atol=1e-5)


def test_the_search_never_gets_worse() -> None:
    losses = scored(GreedyCoordinate(steps=5), people().gold[0]).details["losses"]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_what_is_looked_at_is_not_searched_on() -> None:
    own, other = SoftPrompt().halves(people(), people().task, Run())
    assert set(own.ids).isdisjoint(other.ids)
    assert len(own) == len(other) == 9


def test_attacks_leave_the_model_and_repeat_themselves() -> None:
    model = people().gold[0]
    before = models.fingerprint(model)
    for attack in (SoftPrompt(steps=2), GreedyCoordinate(steps=1), PrefixExtraction(counts=(1,))):
        first, second = scored(attack, model), scored(attack, model)
        assert (first.value, first.details["curve"]) == (second.value, second.details["curve"])
    assert models.fingerprint(model) == before
    assert all(weight.requires_grad for weight in model.parameters())


def test_what_is_missing_is_named() -> None:
    problem = people()
    single = dataclasses.replace(problem, forget=problem.forget.take([0]))
    with pytest.raises(AuditIncomplete, match="Soft prompt needs two forget examples"):
        SoftPrompt()(single.model, single, Run())
    with pytest.raises(AuditIncomplete, match="no room for 120 tokens"):
        GreedyCoordinate(length=120)(problem.model, problem, Run())
    for attack, settings in ((SoftPrompt, {"length": 0}), (GreedyCoordinate, {"candidates": 0})):
        with pytest.raises(ConfigurationError, match="must be at least 1"):
            attack(**settings)
    with pytest.raises(ConfigurationError, match="numbers of tokens"):
        PrefixExtraction(counts=())
