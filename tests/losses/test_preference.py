"""NPO, DPO, KTO and SimNPO: values, gradients and limits that their papers derive."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lethe import losses, segments

ROWS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
TARGETS = torch.tensor([1, 0, 3, 2, 2, 4, 1, 0, 3, 3])
LENGTHS = torch.tensor([3, 2, 5])
BETAS = [0.01, 0.1, 1.0, 5.0]


def some_logits(seed: int) -> Tensor:
    return torch.randn(10, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


def answers(logits: Tensor) -> Tensor:
    return segments.sum_by_row(losses.token_log_probs(logits, TARGETS), ROWS, 3)


def gradient(value: Tensor, logits: Tensor) -> Tensor:
    return torch.autograd.grad(value, logits)[0]


@pytest.mark.parametrize("beta", BETAS)
def test_npo_starts_with_the_gradient_of_ascent_and_the_value_two_over_beta_log_two(beta):
    logits = some_logits(0)
    reference = answers(logits).detach()
    loss = losses.npo(answers(logits), reference, beta)
    torch.testing.assert_close(loss, torch.full_like(loss, 2 / beta * math.log(2)), atol=1e-9, rtol=0)
    ascent = gradient(answers(logits).mean(), logits)
    torch.testing.assert_close(gradient(loss.mean(), logits), ascent, atol=1e-12, rtol=0)


def test_npo_of_one_scalar_a_batch_starts_at_the_published_number():
    # Opt-Out takes the pooled mean cross-entropy of the batch, not sums: 20 log 2 = 13.863 for β = 0.1.
    pooled = losses.token_log_probs(some_logits(0), TARGETS).mean()
    assert losses.npo(pooled, pooled, 0.1).item() == pytest.approx(13.8629436112, abs=1e-9)


@pytest.mark.parametrize("beta", BETAS)
def test_npo_weighs_the_gradient_of_each_answer_by_what_is_left_to_forget(beta):
    logits, reference = some_logits(1), answers(some_logits(2)).detach()
    now, then = answers(logits).detach(), reference
    weight = 2 * (beta * now).exp() / ((beta * now).exp() + (beta * then).exp())
    expected = gradient((weight * answers(logits)).sum(), logits)
    torch.testing.assert_close(
        gradient(losses.npo(answers(logits), reference, beta).sum(), logits), expected, atol=1e-12, rtol=0
    )


def test_npo_becomes_ascent_as_beta_falls():
    logits, reference = some_logits(1), answers(some_logits(2)).detach()
    ratio = (answers(logits) - reference).detach()
    for beta in (1e-2, 1e-3):
        shifted = losses.npo(answers(logits), reference, beta).detach() - 2 / beta * math.log(2)
        # log(1 + e^x) = log 2 + x/2 + x²/8 + …: the error is β Δ²/4.
        torch.testing.assert_close(shifted, ratio + beta * ratio**2 / 4, atol=beta**3 * 10, rtol=0)


def test_npo_is_bounded_and_finite_where_the_ratio_is_hundreds_of_nats():
    log_probs = torch.tensor([-1e4, 0.0, -1e4]).requires_grad_()
    loss = losses.npo(log_probs, torch.tensor([0.0, -1e4, -1e4]), beta=1.0)
    assert loss.tolist() == pytest.approx([0.0, 2e4, 2 * math.log(2)])
    (slope,) = torch.autograd.grad(loss.sum(), log_probs)
    assert slope.tolist() == pytest.approx([0.0, 2.0, 1.0])


def test_dpo_is_its_formula_and_on_the_scale_of_npo_with_two():
    values = [torch.tensor(v, dtype=torch.float64) for v in ([-3.0, -1.0], [-4.0, -1.5], [-2.0, -9.0], [-1.0, -2.0])]
    chosen, chosen_reference, rejected, rejected_reference = values
    for beta in BETAS:
        for scale in (1, 2):
            expected = [
                scale / beta * math.log1p(math.exp(-beta * ((a - b) - (c - d))))
                for a, b, c, d in zip(*[v.tolist() for v in values], strict=True)
            ]
            actual = losses.dpo(chosen, chosen_reference, rejected, rejected_reference, beta, scale)
            assert actual.tolist() == pytest.approx(expected, abs=1e-10)
        # Without a chosen answer DPO of the code is NPO.
        alone = losses.dpo(chosen, chosen, rejected, rejected_reference, beta, scale=2)
        torch.testing.assert_close(alone, losses.npo(rejected, rejected_reference, beta))


def test_kto_has_both_forms_of_the_code_and_no_gradient_through_its_baseline():
    log_probs = torch.tensor([-3.0, -8.0], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([-4.0, -5.0], dtype=torch.float64)
    baseline = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    beta = 0.5
    inner = [0.7 - beta * 1.0, 0.7 + beta * 3.0]
    sigmoid = [1 / (1 + math.exp(-x)) for x in inner]
    plain = losses.kto(log_probs, reference, baseline, beta)
    assert plain.tolist() == pytest.approx([1 - 2 / beta * s for s in sigmoid], abs=1e-12)
    logged = losses.kto(log_probs, reference, baseline, beta, "log_sigmoid")
    assert logged.tolist() == pytest.approx([1 - 2 / beta * math.log(s) for s in sigmoid], abs=1e-12)
    scaled = losses.kto_scaled(log_probs, reference, baseline, beta)
    assert scaled.tolist() == pytest.approx(
        [2 / beta * math.log1p(math.exp(-beta * (0.7 - ratio))) for ratio in (1.0, -3.0)], abs=1e-12
    )
    for loss in (plain, logged, scaled):
        slope, none = torch.autograd.grad(loss.sum(), [log_probs, baseline], allow_unused=True)
        assert none is None
        assert bool((slope > 0).all())  # descent lowers the forget answer


def test_repeating_an_answer_changes_npo_but_not_simnpo():
    once, lengths = torch.tensor([-2.5, -7.0], dtype=torch.float64), torch.tensor([3, 4])
    for margin in (0.0, 1.5):
        torch.testing.assert_close(
            losses.simnpo(2 * once, 2 * lengths, 2.5, margin), losses.simnpo(once, lengths, 2.5, margin)
        )
    assert bool((losses.npo(2 * once, torch.zeros(2)) - losses.npo(once, torch.zeros(2)) < -0.1).all())


@pytest.mark.parametrize("beta", [0.7, 2.5, 4.5])
def test_simnpo_weighs_by_the_likelihood_of_a_token(beta):
    logits = some_logits(3)
    likelihood = (beta * answers(logits).detach() / LENGTHS).exp()
    weight = 2 * likelihood / (1 + likelihood) / LENGTHS
    assert bool((weight < 2 / LENGTHS).all())
    expected = gradient((weight * answers(logits)).sum(), logits)
    actual = gradient(losses.simnpo(answers(logits), LENGTHS, beta).sum(), logits)
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=0)


def test_simnpo_becomes_length_normalised_ascent_as_beta_falls():
    logits = some_logits(3)
    ascent = gradient((answers(logits) / LENGTHS).mean(), logits)
    errors = []
    for beta in (1e-2, 1e-3):
        actual = gradient(losses.simnpo(answers(logits), LENGTHS, beta).mean(), logits)
        errors.append(float((actual - ascent).norm() / ascent.norm()))
    assert errors[0] < 1e-2
    assert errors[1] < 1e-3
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.1)


def test_the_margin_of_the_release_is_that_of_the_paper_over_beta():
    log_probs, lengths = torch.tensor([-2.5, -7.0], dtype=torch.float64), torch.tensor([3, 4])
    paper = losses.simnpo(log_probs, lengths, 2.5, margin=1.0)
    expected = [
        2 / 2.5 * math.log1p(math.exp(-(2.5 * 2.5 / 3 - 1))),
        2 / 2.5 * math.log1p(math.exp(-(2.5 * 7 / 4 - 1))),
    ]
    assert paper.tolist() == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(losses.simnpo(log_probs, lengths, 2.5, margin=0.4, margin_form="release"), paper)


def test_an_answer_without_tokens_moves_nothing():
    log_probs = torch.tensor([0.0, -2.0], requires_grad=True)
    (slope,) = torch.autograd.grad(losses.simnpo(log_probs, torch.tensor([0, 2]), 2.5).sum(), log_probs)
    assert bool(torch.isfinite(slope).all())
