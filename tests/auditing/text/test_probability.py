from __future__ import annotations

import math

import pytest
import torch

from lethe.auditing.text import option_probability, probability
from lethe.errors import InputError
from tests.auditing.text.made import logged, random_log, uniform_log


def test_a_uniform_model_gives_every_answer_one_in_the_vocabulary():
    assert probability(uniform_log([1, 5, 9], vocabulary=13)).tolist() == pytest.approx([1 / 13] * 3, abs=1e-12)


def test_a_uniform_model_gives_the_right_one_of_four_options_a_quarter():
    right = uniform_log([2, 5], 13).log_probs.new_tensor([-math.log(13)] * 2)
    assert option_probability(right, right.unsqueeze(1).expand(2, 3)).tolist() == pytest.approx([0.25] * 2, abs=1e-12)


def test_a_row_is_the_geometric_mean_of_its_own_tokens():
    p = [[0.5, 0.1, 0.9], [0.3]]
    value = probability(logged(*([math.log(x) for x in row] for row in p)))
    assert value.tolist() == pytest.approx([(0.5 * 0.1 * 0.9) ** (1 / 3), 0.3], abs=1e-12)


def test_rows_do_not_depend_on_what_stands_beside_them():
    log = random_log([3, 7, 1, 4])
    alone = torch.cat([probability(log.take([i])) for i in range(4)])
    assert torch.allclose(probability(log), alone, atol=1e-15)


def test_options_are_compared_as_probabilities():
    true, wrong = [0.4, 0.01], [[0.2, 0.1], [0.5, 0.3]]
    value = option_probability(
        torch.tensor(true, dtype=torch.float64).log(), torch.tensor(wrong, dtype=torch.float64).log()
    )
    assert value.tolist() == pytest.approx([0.4 / 0.7, 0.01 / 0.81], abs=1e-12)
    assert option_probability(torch.zeros(1), torch.zeros(1, 2)).dtype == torch.float64


def test_options_too_unlikely_for_a_float_still_compare():
    value = option_probability(torch.tensor([-2000.0]).double(), torch.tensor([[-2001.0]]).double())
    assert float(value) == pytest.approx(1 / (1 + math.exp(-1)), abs=1e-12)


@pytest.mark.parametrize("wrong", [(2,), (3, 2), (2, 0)])
def test_options_that_do_not_pair_are_refused(wrong):
    with pytest.raises(InputError, match=r"must be \[N\] and \[N, K\]"):
        option_probability(torch.zeros(2), torch.zeros(wrong))
