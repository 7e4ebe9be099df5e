"""CE-U and UNDIAL teach a distribution without, or with less of, the true token."""

from __future__ import annotations

import math

import pytest
import torch

from lethe import losses, segments

LOGITS = torch.randn(9, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TEACHER = torch.randn(9, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
TARGETS = torch.randint(0, 6, (9,), generator=torch.Generator().manual_seed(2))


def softmax(row: list[float]) -> list[float]:
    raw = [math.exp(v) for v in row]
    return [v / sum(raw) for v in raw]


def test_ceu_is_the_cross_entropy_to_the_prediction_without_the_true_token():
    expected = []
    for row, target in zip(LOGITS.tolist(), TARGETS.tolist(), strict=True):
        p = softmax(row)
        taught = [0.0 if v == target else p[v] / (1 - p[target]) for v in range(6)]
        expected.append(-sum(q * math.log(x) for q, x in zip(taught, p, strict=True)))
    assert losses.ceu(LOGITS, TARGETS).tolist() == pytest.approx(expected, abs=1e-12)


def test_the_gradient_of_ceu_is_prediction_minus_target_so_the_teacher_is_fixed():
    logits = LOGITS.clone().requires_grad_()
    (actual,) = torch.autograd.grad(losses.ceu(logits, TARGETS).sum(), logits)
    p = LOGITS.softmax(-1)
    taught = p.scatter(-1, TARGETS[:, None], 0.0)
    torch.testing.assert_close(actual, p - taught / taught.sum(-1, keepdim=True), atol=1e-12, rtol=0)


def test_ceu_stays_finite_and_pushes_hardest_where_the_model_is_sure():
    logits = torch.tensor([[300.0, 0.0, 0.0], [0.0, 300.0, 0.0]], requires_grad=True)
    loss = losses.ceu(logits, torch.tensor([0, 0]))
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.tolist() == pytest.approx([300.0, 0.0], abs=1e-4)
    assert slope.tolist() == [pytest.approx([1.0, -0.5, -0.5]), pytest.approx([0.0, 0.0, 0.0], abs=1e-6)]


@pytest.mark.parametrize("strength", [0.0, 3.0, 10.0, 30.0])
def test_undial_is_the_cross_entropy_to_the_teacher_with_a_lowered_true_token(strength):
    expected = []
    for row, teacher, target in zip(LOGITS.tolist(), TEACHER.tolist(), TARGETS.tolist(), strict=True):
        taught = softmax([z - strength * (v == target) for v, z in enumerate(teacher)])
        expected.append(-sum(q * math.log(x) for q, x in zip(taught, softmax(row), strict=True)))
    assert losses.undial(LOGITS, TEACHER, TARGETS, strength).tolist() == pytest.approx(expected, abs=1e-12)


def test_undial_at_strength_zero_does_not_move_its_own_teacher():
    logits = TEACHER.clone().requires_grad_()
    (slope,) = torch.autograd.grad(losses.undial(logits, TEACHER, TARGETS, 0.0).sum(), logits)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-14, rtol=0)
    (slope,) = torch.autograd.grad(losses.undial(logits, TEACHER, TARGETS, 10.0).sum(), logits)
    assert bool((slope.gather(-1, TARGETS[:, None]) > 0).all())  # descent lowers the true token only
    assert int((slope > 0).sum()) == len(TARGETS)


def test_undial_gives_the_teacher_no_gradient_and_leaves_it_as_it_was():
    teacher = TEACHER.clone().requires_grad_()
    logits = LOGITS.clone().requires_grad_()
    loss = losses.undial(logits, teacher, TARGETS).sum()
    assert torch.autograd.grad(loss, [logits, teacher], allow_unused=True)[1] is None
    assert torch.equal(teacher.detach(), TEACHER)


@pytest.mark.parametrize("loss", [losses.ceu, lambda z, y: losses.undial(z, z, y)])
def test_a_padding_label_is_refused_and_never_wraps_round_the_vocabulary(loss):
    # With 200 tokens -100 would be read as token 100, and that token be unlearned at each padding position.
    with pytest.raises(RuntimeError, match="-100"):
        loss(torch.zeros(2, 200), torch.tensor([5, -100]))


def test_undial_of_an_answer_does_not_depend_on_what_else_is_in_the_batch():
    rows = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1, 1])
    both = segments.mean_by_row(losses.undial(LOGITS, TEACHER, TARGETS), rows, 2)
    alone = losses.undial(LOGITS[:3], TEACHER[:3], TARGETS[:3]).mean()
    torch.testing.assert_close(both[0], alone)
