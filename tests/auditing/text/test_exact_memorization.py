from __future__ import annotations

import pytest
import torch

from lethe.auditing.text import exact_memorization, token_log
from tests.auditing.text.made import greedy_log, random_log


def test_it_is_the_share_of_right_tokens_a_row():
    log = greedy_log([1, 1, 1], [0, 0], [1, 0, 0, 1])
    assert exact_memorization(log).tolist() == [1, 0, 0.5]


def test_rows_do_not_depend_on_what_stands_beside_them():
    log = random_log([3, 7, 1, 4], vocabulary=2)
    alone = torch.cat([exact_memorization(log.take([i])) for i in range(4)])
    assert 0 < float(alone.mean()) < 1
    assert torch.equal(exact_memorization(log), alone)


def test_memorization_accuracy_of_one_pass_is_that_of_generating_one_token_after_every_prefix():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(6, 6, generator=generator, dtype=torch.float64)  # a model that sees the last token alone
    sequence = torch.randint(6, (40,), generator=generator)
    sequence[1:20] = table[sequence[0]].argmax()
    one_pass = exact_memorization(token_log(table[sequence[:-1]], sequence[1:], torch.tensor([39])))
    right = [int(table[sequence[i - 1]].argmax()) == int(sequence[i]) for i in range(1, 40)]
    assert 0 < sum(right) < 39
    assert float(one_pass) == pytest.approx(sum(right) / 39, abs=1e-15)
