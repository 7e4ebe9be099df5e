from __future__ import annotations

import math

import pytest
import torch

from lethe.auditing.text import TokenLog
from lethe.auditing.text.tokens import joined, offsets_of
from lethe.errors import InputError
from tests.auditing.text.made import logged, random_log

LENGTHS = [3, 1, 4]


def test_rows_are_summed_and_averaged_over_their_own_tokens():
    log = logged([-1, -2, -6], [-5], [-1, -1, -1, -2])
    assert log.lengths.tolist() == LENGTHS
    assert log.sums(log.log_probs).tolist() == [-9, -5, -5]
    assert log.means(log.log_probs).tolist() == [-3, -5, -1.25]
    assert log.positions.tolist() == [0, 1, 2, 0, 0, 1, 2, 3]


def test_taken_rows_keep_all_their_measurements():
    log = random_log(LENGTHS)
    taken = log.take([2, 0, 2])
    assert taken.lengths.tolist() == [4, 3, 4]
    for name in ("log_probs", "greedy", "mean", "std"):
        whole, part = getattr(log, name), getattr(taken, name)
        assert torch.equal(part, torch.cat([whole[4:], whole[:3], whole[4:]])), name


def test_joining_single_rows_gives_the_log_back():
    log = random_log(LENGTHS)
    again = joined([log.take([i]) for i in range(3)])
    assert torch.equal(again.offsets, log.offsets)
    assert torch.equal(again.log_probs, log.log_probs)
    assert again.std is not None
    assert torch.equal(again.std, log.std)


def test_no_rows_may_be_taken():
    assert len(random_log(LENGTHS).take([])) == 0


def test_the_last_token_can_be_left_out():
    assert logged([-1, -2, -6], [-5, -7]).without_last().log_probs.tolist() == [-1, -2, -5]
    with pytest.raises(InputError, match="row 1 has no answer token"):
        logged([-1, -2], [-5]).without_last()


@pytest.mark.parametrize(
    ("rows", "words"),
    [([0, 3], "row 3 is not among the 3"), ([-1], "row -1"), ([True, False, True], "not truth values")],
)
def test_rows_that_are_not_there_are_refused(rows, words):
    with pytest.raises(InputError, match=words):
        random_log(LENGTHS).take(rows)


def test_what_does_not_fit_is_refused():
    values, flags = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.bool)
    two, one = torch.tensor([0, 2, 3]), torch.tensor([0, 3])
    for arguments, words in [
        ((values, flags, torch.tensor([0, 2])), "must part 3 tokens"),
        ((values, flags, torch.tensor([1, 3])), "run from 1"),
        ((values, flags, torch.tensor([0, 3, 3])), "row 1 has no answer token"),
        ((values, flags, torch.tensor([0.0, 3.0])), "int64"),
        ((values, flags[:2], one), "greedy"),
        ((values, values, one), "greedy"),
        ((values.float(), flags, one), "float64"),
        ((values + torch.tensor([0, 0, math.nan]), flags, two), "row 1 is not finite"),
        ((values - torch.tensor([0, math.inf, 0]), flags, two), "row 0 is not finite"),
        ((values, flags, one, values), "belong together"),
        ((values, flags, one, values, values[:2]), "std"),
    ]:
        with pytest.raises(InputError, match=words):
            TokenLog(*arguments)


def test_logs_with_and_without_moments_are_not_joined():
    with pytest.raises(InputError, match="measure them alike"):
        joined([random_log([2]), logged([-1])])


def test_offsets_of_no_rows():
    assert offsets_of(torch.zeros(0, dtype=torch.int64)).tolist() == [0]
