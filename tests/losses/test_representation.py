"""Hidden-state losses average over each sequence's own tokens."""

from __future__ import annotations

import math

import pytest
import torch

from lethe import losses

ROWS = torch.tensor([0, 0, 0, 0, 0, 1, 2, 2])
SIZES = [5, 1, 2]


def states(seed: int, *size: int) -> torch.Tensor:
    return torch.randn(*(size or (8, 6)), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("over_width", ["mean", "sum"])
@pytest.mark.parametrize("each", [True, False])
def test_unequal_sequences_are_each_divided_by_their_own_length(over_width, each):
    hidden, target = states(0), states(1) if each else states(1, 6)
    targets = target.tolist() if each else [target.tolist()] * 8
    expected, start = [], 0
    for size in SIZES:
        total = 0.0
        for t in range(start, start + size):
            total += sum((a - b) ** 2 for a, b in zip(hidden[t].tolist(), targets[t], strict=True))
        expected.append(total / size / (6 if over_width == "mean" else 1))
        start += size
    actual = losses.activation_loss(hidden, target, ROWS, 3, over_width)
    assert actual.shape == (3,)  # never a table of every sum by every length
    assert actual.tolist() == pytest.approx(expected, abs=1e-10)


def test_the_retain_loss_is_zero_with_zero_gradient_at_the_start_and_the_target_gets_none():
    hidden, target = states(0).requires_grad_(), states(0).requires_grad_()
    loss = losses.activation_loss(hidden, target, ROWS, 3)
    slope, none = torch.autograd.grad(loss.sum(), [hidden, target], allow_unused=True)
    assert loss.tolist() == [0, 0, 0]
    assert int(slope.count_nonzero()) == 0
    assert none is None


def test_the_control_vector_is_uniform_positive_and_of_the_asked_length():
    drawn = losses.control_vector(4096, 6.5, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, losses.control_vector(4096, 6.5, torch.Generator().manual_seed(0)))
    assert drawn.norm().item() == pytest.approx(6.5, abs=1e-4)
    assert bool((drawn >= 0).all())
    # Uniform numbers have a cosine of (1/2)/√(1/3) to the vector of ones; Gaussian ones would have 0.
    cosine = float(drawn.sum() / drawn.norm()) / math.sqrt(4096)
    assert cosine == pytest.approx(math.sqrt(3) / 2, abs=0.01)


def test_hidden_distance_is_the_norm_and_has_a_gradient_of_zero_where_nothing_moved():
    before = states(0)
    now = before.clone()
    now[3:] += states(1)[3:]
    now.requires_grad_()
    distance = losses.hidden_distance(now, before)
    expected = [math.sqrt(sum(x * x for x in row)) for row in (now.detach() - before).tolist()]
    assert distance.tolist() == pytest.approx(expected, abs=1e-12)
    (slope,) = torch.autograd.grad(distance.sum(), now)
    assert int(slope[:3].count_nonzero()) == 0
    torch.testing.assert_close(slope[3:].norm(dim=-1), torch.ones(5, dtype=torch.float64))


def test_random_mapping_pulls_to_the_line_of_the_vector_in_either_direction():
    vectors = states(0)
    line = torch.cat([2 * vectors[:4], -3 * vectors[4:]])
    torch.testing.assert_close(losses.random_mapping(line, vectors), torch.zeros(8).double(), atol=1e-12, rtol=0)
    hidden = states(1)
    cosine = (hidden * vectors).sum(-1) / hidden.norm(dim=-1) / vectors.norm(dim=-1)
    torch.testing.assert_close(losses.random_mapping(hidden, vectors), 1 - cosine.abs(), atol=1e-12, rtol=0)
