from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lethe.auditing.text import forget_truth_ratio, log_truth_ratio, truth_preference, utility_truth_ratio
from lethe.errors import InputError

RATIOS = st.lists(st.floats(-50, 50), min_size=1, max_size=20)
RIGHT, WRONG = [0.2, 0.5], [[0.1, 0.4, 0.3], [0.5, 0.5, 0.5]]


def logs(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).log()


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_a_uniform_model_cannot_tell(mean):
    ratio = log_truth_ratio(torch.full((3,), -math.log(9)).double(), torch.full((3, 5), -math.log(9)).double(), mean)
    assert ratio.exp().tolist() == pytest.approx([1] * 3, abs=1e-12)
    assert forget_truth_ratio(ratio).tolist() == pytest.approx([1] * 3, abs=1e-12)
    assert utility_truth_ratio(ratio).tolist() == pytest.approx([0] * 3, abs=1e-12)
    assert truth_preference(ratio).tolist() == pytest.approx([0.5] * 3, abs=1e-12)


def test_the_release_takes_the_geometric_and_the_paper_the_arithmetic_mean():
    geometric = [(0.1 * 0.4 * 0.3) ** (1 / 3) / 0.2, 1]
    arithmetic = [(0.1 + 0.4 + 0.3) / 3 / 0.2, 1]
    assert log_truth_ratio(logs(RIGHT), logs(WRONG)).exp().tolist() == pytest.approx(geometric, abs=1e-12)
    assert log_truth_ratio(logs(RIGHT), logs(WRONG), "arithmetic").exp().tolist() == pytest.approx(
        arithmetic, abs=1e-12
    )


def test_the_reported_forms_on_numbers():
    ratio = logs([0.25, 1, 4])
    assert forget_truth_ratio(ratio).tolist() == pytest.approx([0.25, 1, 0.25], abs=1e-12)
    assert utility_truth_ratio(ratio).tolist() == pytest.approx([0.75, 0, 0], abs=1e-12)
    assert truth_preference(ratio).tolist() == pytest.approx([0.8, 0.5, 0.2], abs=1e-12)


def test_broken_models_do_not_overflow():
    ratio = log_truth_ratio(torch.tensor([-5000.0, 0.0]).double(), torch.tensor([[0.0], [-5000.0]]).double())
    assert forget_truth_ratio(ratio).tolist() == [0, 0]
    assert utility_truth_ratio(ratio).tolist() == [0, 1]
    assert truth_preference(ratio).tolist() == [0, 1]


@given(RATIOS)
def test_only_the_forget_form_is_the_same_for_a_ratio_and_its_inverse(ratios):
    ratio = torch.tensor(ratios, dtype=torch.float64)
    assert torch.equal(forget_truth_ratio(ratio), forget_truth_ratio(-ratio))
    assert torch.allclose(truth_preference(ratio) + truth_preference(-ratio), torch.ones(len(ratio)).double())
    assert bool((utility_truth_ratio(ratio) * utility_truth_ratio(-ratio) == 0).all())


@given(st.lists(st.floats(-30, 0), min_size=1, max_size=6), st.floats(-30, 0))
def test_the_arithmetic_ratio_is_never_below_the_geometric(wrong, right):
    true, others = torch.tensor([right], dtype=torch.float64), torch.tensor([wrong], dtype=torch.float64)
    assert float(log_truth_ratio(true, others, "arithmetic")) >= float(log_truth_ratio(true, others)) - 1e-9


def test_answers_that_do_not_pair_are_refused():
    with pytest.raises(InputError, match="must be"):
        log_truth_ratio(torch.zeros(2), torch.zeros(3, 5))
