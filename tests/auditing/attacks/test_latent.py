"""The logit lens and linear probes: what hidden states still tell."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lethe import hooks, models
from lethe.auditing.attacks.latent import answer_states
from lethe.auditing.attacks.linear_maps import fitted
from lethe.auditing.attacks.linear_probe import LinearProbe
from lethe.auditing.attacks.logit_lens import LogitLens
from lethe.auditing.attacks.regained import performance
from lethe.errors import ConfigurationError
from lethe.problem import Problem
from lethe.run import Run
from lethe.segments import mean_by_row
from tests.auditing.attacks.hiding import gained, hidden, most_from_gold, people, scored

LATE = "layers.1."
"""The last of two blocks: what it hides, the first still holds."""


def test_the_lens_sees_behind_a_last_block_that_hides() -> None:
    score = scored(LogitLens(), hidden(LATE))
    assert score.details["blocks"] == 1
    assert gained(LogitLens(), hidden(LATE)) > 0.3
    assert most_from_gold(LogitLens()) < 0.05
    assert score.value == scored(LogitLens(), people().model).details["curve"][0][1]


def test_the_lens_is_the_head_after_the_norm_on_the_states_of_a_block() -> None:
    model, task, forget = people().model, people().task, people().forget
    batch = forget.batch(torch.arange(len(forget)))
    with torch.no_grad():
        states = hooks.all_hidden_states(model, task, batch)[0]
        said = hooks.places(batch, "answer")[:, 1:]
        logits = model.lm_head(model.model.norm(states[:, :-1][said])).double()
    log_p = logits.log_softmax(-1).gather(1, task.targets(batch).unsqueeze(1)).squeeze(1)
    by_hand = float(mean_by_row(log_p, task.rows(batch), len(batch)).exp().mean())
    curve = scored(LogitLens(), model).details["curve"]
    assert curve[0] == [1, pytest.approx(by_hand, abs=1e-5)]
    assert curve[1][1] == performance(model, task, forget, Run())["probability"]


def test_probes_read_what_the_last_block_hides_and_no_more_from_gold_than_gold_says() -> None:
    probe = LinearProbe()
    score = scored(probe, hidden(LATE))
    gold = [scored(probe, model) for model in people().gold]
    assert score.value > max(one.value for one in gold) + 0.1
    assert score.value > score.details["before"]
    assert most_from_gold(probe) <= 0
    # Chance is what a map learns of the frequencies of tokens.
    assert score.details["chance"] < 0.4
    assert score.details["layers"] == ["block 1", "block 2"]


def test_probes_read_states_and_not_the_head() -> None:
    model = models.copied(people().model)
    with torch.no_grad():
        model.lm_head.weight.normal_(generator=torch.Generator().manual_seed(0))
    score, original = scored(LinearProbe(), model), scored(LinearProbe(), people().model)
    assert score.details["before"] < 0.1
    assert score.value == original.value > 0.75


def test_the_states_are_those_that_predict_the_answers() -> None:
    model, task, forget = people().model, people().task, people().forget
    states = answer_states(model, task, forget, 10_000, Run())
    assert bool(states.hits.all())  # the original knows every token
    with torch.no_grad():
        logits = model.lm_head(model.model.norm(states.layers["block 2"]))
    assert torch.equal(logits.argmax(-1), states.targets)
    some = answer_states(model, task, forget, 7, Run())
    assert len(some.targets) == len(some.layers["block 1"]) == 7


@pytest.mark.parametrize("size", [(40, 6), (12, 30)])
def test_the_map_is_the_minimum_of_its_loss(size: tuple[int, int]) -> None:
    draws = torch.Generator().manual_seed(0)
    inputs = torch.randn(size, generator=draws, dtype=torch.float64) * 3 + 1
    classes = torch.randint(4, (size[0],), generator=draws)
    ridge = 0.1
    found = fitted(inputs, classes, 4, ridge)
    x = (inputs - inputs.mean(0)) / inputs.std(0, correction=0)
    y = torch.nn.functional.one_hot(classes, 4).double()
    y = y - y.mean(0)
    slope = 2 * x.T @ (x @ found.weight - y) + 2 * ridge * len(x) * found.weight
    assert float(slope.abs().max()) < 1e-9
    assert torch.allclose(found(inputs), x @ found.weight + torch.bincount(classes, minlength=4) / len(classes))


def test_inputs_that_never_change_are_harmless() -> None:
    inputs = torch.cat([torch.randn(20, 2, generator=torch.Generator().manual_seed(0)), torch.full((20, 1), 7.0)], 1)
    scores = fitted(inputs, (inputs[:, 0] > 0).long(), 2, 1e-3)(inputs)
    assert bool((scores.argmax(1) == (inputs[:, 0] > 0)).all())


def test_a_class_that_the_data_lack_is_found_with_other_data(whole_class: Problem) -> None:
    model, forget = whole_class.gold[0], whole_class.forget
    assert scored(LinearProbe(), model, whole_class).details["coverage"] == 0
    assert scored(LinearProbe(), model, whole_class).value == 0
    unseen = dataclasses.replace(
        whole_class, forget=forget.take(range(30)), holdout=forget.take(range(30, len(forget)))
    )
    assert scored(LinearProbe(data="holdout"), model, unseen).details["coverage"] == 1
    assert (
        scored(LinearProbe(data="holdout"), model, unseen).value == 1
    )  # a single class, and nothing to confuse it with


def test_labels_are_read_below_a_head_that_says_nothing(random_subset: Problem) -> None:
    blind = models.copied(random_subset.model)
    with torch.no_grad():
        random_subset.task.head(blind).weight.zero_()
    score = scored(LinearProbe(), blind, random_subset)
    assert score.details["before"] < 0.3
    assert score.value > 0.9
    assert score.details["layers"] == list(random_subset.task.layers(blind))


def test_attacks_leave_the_model_and_its_blocks() -> None:
    model = people().gold[0]
    before, blocks = models.fingerprint(model), len(people().task.blocks(model))
    for attack in (LogitLens(), LinearProbe()):
        assert scored(attack, model).details["curve"] == scored(attack, model).details["curve"]
    assert models.fingerprint(model) == before
    assert len(people().task.blocks(model)) == blocks


def test_what_is_missing_is_named() -> None:
    bare = dataclasses.replace(people(), retain=None)
    assert LinearProbe(data="holdout").needs == {"holdout"}
    with pytest.raises(ConfigurationError, match="Linear probe needs retain"):
        LinearProbe()(bare.model, bare, Run())
    with pytest.raises(ConfigurationError, match="ridge above 0"):
        LinearProbe(ridge=0)
