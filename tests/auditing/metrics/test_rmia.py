from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from lethe.auditing.inference import found_at
from lethe.auditing.metric import References, Rows
from lethe.auditing.metrics.rmia import RMIA, rmia_scores
from lethe.errors import ConfigurationError
from tests.auditing.metrics.made import made, telling, told, with_probability

PROBABILITIES = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=6)


def by_definition(own, references, others, their, gamma, offline):
    """The same in plain numbers: probabilities, not logarithms."""

    def ratio(p, seen):
        mean = sum(seen) / len(seen)
        return p / (((1 + offline) * mean + 1 - offline) / 2)

    found = []
    for i, p in enumerate(own):
        mine = ratio(p, [row[i] for row in references])
        marks = [mine / ratio(z, [row[j] for row in their]) >= gamma for j, z in enumerate(others)]
        found.append(sum(marks) / len(marks))
    return found


@given(st.data(), st.integers(1, 3), st.sampled_from([1.3, 2.0]), st.sampled_from([0.0, 0.3, 1.0]))
def test_it_agrees_with_the_definition_in_float64(data, models, gamma, offline):
    own, others = data.draw(PROBABILITIES), data.draw(PROBABILITIES)
    references = [
        data.draw(st.lists(st.floats(1e-6, 1.0), min_size=len(own), max_size=len(own))) for _ in range(models)
    ]
    their = [
        data.draw(st.lists(st.floats(1e-6, 1.0), min_size=len(others), max_size=len(others))) for _ in range(models)
    ]
    logs = [torch.tensor(values, dtype=torch.float64).log() for values in (own, references, others, their)]
    found = rmia_scores(*logs, gamma, offline)
    assert found.tolist() == pytest.approx(by_definition(own, references, others, their, gamma, offline), abs=1e-6)


def test_an_easy_example_is_no_member_for_being_easy() -> None:
    """All models are sure of the forget set; the loss alone would call it training data."""
    sure, unsure = torch.full((8,), 0.9), torch.full((8,), 0.3)
    model = made(forget=with_probability(sure), holdout=with_probability(unsure))
    assert RMIA(offline=1.0)(model, References(model, gold=(model,))).value == 0.5


def test_what_only_this_model_knows_is_found_in_both_kinds_of_model() -> None:
    known, unknown = torch.full((8,), 0.9), torch.full((8,), 0.2)
    model = made(forget=with_probability(known), holdout=with_probability(unknown))
    gold = made(forget=with_probability(unknown), holdout=with_probability(unknown))
    score = RMIA()(model, References(model, gold=(gold,)))
    assert score.value == 1
    assert score.details["found_at_false_alarms"] == {"0.01": 1.0, "0.05": 1.0}
    said, unsaid = told([[math.log(0.9)] * 3] * 4), told([[math.log(0.2)] * 3] * 4)
    speaking, silent = telling(forget=said, holdout=unsaid), telling(forget=unsaid, holdout=unsaid)
    assert RMIA()(speaking, References(speaking, gold=(silent,))).value == 1
    assert RMIA()(silent, References(speaking, gold=(silent,))).value == 0.5


def test_the_original_is_found_out_and_a_further_gold_is_not(originals: list[Rows], golds: list[Rows]) -> None:
    against = References(originals[0], gold=tuple(golds[1:4]))
    for offline, unseen in ((0.3, 0.0), (1.0, 0.5)):
        # Wrong labels are unlikely to all: with a = 0.3 unseen ones count for less than other unseen examples.
        attack = RMIA(offline=offline)
        assert attack(originals[1], against).value > 0.95
        assert all(attack(golds[i], against).value == pytest.approx(unseen, abs=0.2) for i in (0, 4, 5, 6, 7))


def test_the_share_found_leaves_no_room_for_ties() -> None:
    scores = torch.tensor([1.0, 1.0, 0.5])
    assert found_at(scores, torch.ones(10), 0.05) == 0
    assert found_at(scores, torch.zeros(10), 0.0) == 1
    assert found_at(scores, torch.zeros(10), 1.0) == 1


def test_settings_out_of_range_are_refused() -> None:
    for wrong in (RMIA(gamma=0.5), RMIA(offline=1.5)):
        rows = made(forget=with_probability(torch.full((2,), 0.5)), holdout=with_probability(torch.full((2,), 0.5)))
        with pytest.raises(ConfigurationError, match="gamma at least 1"):
            wrong(rows, References(rows, gold=(rows,)))


def test_scores_that_tie_do_not_hide_which_examples_are_likelier() -> None:
    """All holdout examples are easy: every share is 0, and the ratios differ all the same."""
    easy = with_probability(torch.linspace(0.98, 0.99, 20))
    unknown = made(forget=with_probability(torch.full((20,), 0.01)), holdout=easy)
    assert RMIA()(unknown, References(unknown, gold=(unknown,))).value == 0
