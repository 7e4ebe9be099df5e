from __future__ import annotations

import math

import pytest
import torch

from lethe.auditing.text import token_log
from lethe.errors import InputError
from tests.auditing.text.made import random_logits, uniform_log


def test_every_number_is_that_of_the_formula():
    logits, targets = random_logits([2, 3], vocabulary=5)
    log = token_log(logits, targets, torch.tensor([2, 3]))
    for t, (row, target) in enumerate(zip(logits.tolist(), targets.tolist(), strict=True)):
        whole = math.fsum(math.exp(x) for x in row)
        p = [math.exp(x) / whole for x in row]
        mean = math.fsum(q * math.log(q) for q in p)
        square = math.fsum(q * math.log(q) ** 2 for q in p)
        assert float(log.log_probs[t]) == pytest.approx(math.log(p[target]), abs=1e-12)
        assert float(log.mean[t]) == pytest.approx(mean, abs=1e-12)
        assert float(log.std[t]) == pytest.approx(math.sqrt(square - mean**2), abs=1e-9)
        assert bool(log.greedy[t]) == (p[target] == max(p))


def test_a_uniform_model_has_no_spread():
    log = uniform_log([3, 2], vocabulary=7)
    assert torch.allclose(log.log_probs, torch.full((5,), -math.log(7)).double(), atol=1e-7)
    assert log.std.max() < 1e-7


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_certain_model_has_a_spread_that_is_no_nan(dtype):
    logits = torch.zeros(2, 50, dtype=dtype)
    logits[:, 3] = 80
    log = token_log(logits, torch.tensor([3, 4]), torch.tensor([2]))
    assert log.greedy.tolist() == [True, False]
    assert log.log_probs.tolist() == [0, -80]
    assert bool(torch.isfinite(log.std).all())


def test_a_small_spread_is_not_lost_to_rounding():
    # log p moves by ±1e-3 around -log 2: E[x²] - E[x]² in float32 would keep no digit of 1e-6.
    log = token_log(torch.tensor([[1e-3, -1e-3]]), torch.tensor([0]), torch.tensor([1]))
    assert float(log.std[0]) == pytest.approx(1e-3, rel=1e-3)


def test_impossible_tokens_add_nothing_to_the_moments():
    logits = torch.tensor([[0.5, 0.1, -math.inf]]).double()
    with_it = token_log(logits, torch.tensor([0]), torch.tensor([1]))
    without = token_log(logits[:, :2], torch.tensor([0]), torch.tensor([1]))
    assert float(with_it.mean) == pytest.approx(float(without.mean), abs=1e-12)
    assert float(with_it.std) == pytest.approx(float(without.std), abs=1e-12)


def test_moments_may_be_left_out():
    logits, targets = random_logits([2], vocabulary=5)
    assert token_log(logits, targets, torch.tensor([2]), moments=False).std is None


def test_what_cannot_be_read_is_refused():
    with pytest.raises(InputError, match="must be"):
        token_log(torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64), torch.tensor([2]))
    with pytest.raises(InputError, match="row 0 is not finite"):
        token_log(torch.full((2, 3), math.nan), torch.zeros(2, dtype=torch.int64), torch.tensor([2]))
