"""Losses on whole answers: push the forget answer under its reference, or under another answer, and fade out there."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from lethe.precision import full_precision


def npo(log_probs: Tensor, reference: Tensor, beta: float = 0.1) -> Tensor:
    """Return Negative Preference Optimization, (2/β) log(1 + (π_θ(y|x) / π_0(y|x))^β), for each answer.

    At θ = θ_0 it is (2/β) log 2 with the gradient of log π_θ (that of gradient ascent); the gradient fades as the
    answer falls under its reference. Opt-Out gives it one scalar a batch, the pooled token mean, instead of sums.

    Args:
        log_probs: [B] Σ_t log π_θ(y_t | x, y_<t), the sum over answer tokens.
        reference: [B] the same of the model before unlearning.
        beta: β, larger than 0; towards 0 the gradient becomes that of gradient ascent.

    Returns:
        [B] values, at least 0.

    Source: Zhang et al. 2024, arXiv:2404.05868, eq. 3; Choi et al. 2025, Opt-Out, arXiv:2406.12329.

    >>> import torch
    >>> same = torch.tensor([-5.0])
    >>> round(npo(same, same, beta=0.1).item(), 4)  # 20 log 2
    13.8629
    """
    log_ratio = full_precision(log_probs) - full_precision(reference).detach()
    return -(2 / beta) * F.logsigmoid(-beta * log_ratio)


def dpo(
    chosen: Tensor,
    chosen_reference: Tensor,
    rejected: Tensor,
    rejected_reference: Tensor,
    beta: float = 0.1,
    scale: float = 1.0,
) -> Tensor:
    """Return DPO of a refusal over the forget answer, -(c/β) log σ(β (Δ_chosen - Δ_rejected)).

    Δ is log π_θ - log π_0 of an answer.

    Args:
        chosen: [B] Σ_t log π_θ of the answer to prefer (a refusal).
        chosen_reference: [B] the same of the model before unlearning.
        rejected: [B] Σ_t log π_θ of the forget answer.
        rejected_reference: [B] the same of the model before unlearning.
        beta: β, larger than 0.
        scale: c: 1 in the formula of the paper, 2 in the code of NPO and Opt-Out, which puts DPO on the scale of NPO.

    Returns:
        [B] values, at least 0.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 7; Zhang et al. 2024, arXiv:2404.05868.

    >>> import torch
    >>> same = torch.tensor([-5.0])
    >>> round(dpo(same, same, same, same, beta=0.1).item(), 4)  # 10 log 2
    6.9315
    """
    gain = full_precision(chosen) - full_precision(chosen_reference).detach()
    loss = full_precision(rejected) - full_precision(rejected_reference).detach()
    return -(scale / beta) * F.logsigmoid(beta * (gain - loss))


def kto(
    log_probs: Tensor,
    reference: Tensor,
    baseline: Tensor,
    beta: float = 0.1,
    value: Literal["sigmoid", "log_sigmoid"] = "sigmoid",
) -> Tensor:
    """Return Kahneman-Tversky Optimization of undesired answers, 1 - (2/β) g(z_0 - β (log π_θ - log π_0)).

    Args:
        log_probs: [B] Σ_t log π_θ of the forget answers.
        reference: [B] the same of the model before unlearning.
        baseline: z_0, the batch mean of log π_θ - log π_0 over refusals; no gradient, not scaled by β, not clamped.
        beta: β, larger than 0.
        value: g, the sigmoid or its logarithm; the code of NPO has both.

    Returns:
        [B] values.

    Source: Ethayarajh et al. 2024, arXiv:2402.01306; the form of Zhang et al. 2024, arXiv:2404.05868, on TOFU.

    >>> import torch
    >>> same = torch.tensor([-5.0])
    >>> kto(same, same, torch.tensor(0.0), beta=0.1).item()  # 1 - 20 · ½
    -9.0
    """
    log_ratio = full_precision(log_probs) - full_precision(reference).detach()
    inner = full_precision(baseline).detach() - beta * log_ratio
    return 1 - (2 / beta) * (F.logsigmoid(inner) if value == "log_sigmoid" else inner.sigmoid())


def kto_scaled(log_probs: Tensor, reference: Tensor, divergence: Tensor, beta: float = 0.1) -> Tensor:
    """Return KTO with its baseline inside the scale, -(2/β) log σ(β (k - (log π_θ - log π_0))).

    Args:
        log_probs: [B] Σ_t log π_θ of the forget answers.
        reference: [B] the same of the model before unlearning.
        divergence: k = KL(π_θ ‖ π_0) on the forget inputs; no gradient.
        beta: β, larger than 0.

    Returns:
        [B] values, at least 0.

    Source: Zhang et al. 2024, arXiv:2404.05868, synthetic experiments.

    >>> import torch
    >>> same = torch.tensor([-5.0])
    >>> round(kto_scaled(same, same, torch.tensor(0.0), beta=0.1).item(), 4)  # NPO where k = 0
    13.8629
    """
    log_ratio = full_precision(log_probs) - full_precision(reference).detach()
    return -(2 / beta) * F.logsigmoid(beta * (full_precision(divergence).detach() - log_ratio))


def simnpo(
    log_probs: Tensor,
    lengths: Tensor,
    beta: float,
    margin: float = 0.0,
    margin_form: Literal["paper", "release"] = "paper",
) -> Tensor:
    """Return SimNPO, -(2/β) log σ(-(β/|y|) log π_θ(y|x) - γ), for each answer: no reference, per-token likelihood.

    Args:
        log_probs: [B] Σ_t log π_θ(y_t | x, y_<t), the sum over answer tokens.
        lengths: [B] numbers |y| of answer tokens; an answer without tokens has a constant loss.
        beta: β, larger than 0; published settings lie between 0.7 and 4.5, far above NPO's 0.1.
        margin: γ, at least 0; all reported settings use 0.
        margin_form: "paper" subtracts γ after the scaling by β, "release" before it, so that γ_paper = β γ_release.

    Returns:
        [B] values, at least 0.

    Source: Fan et al. 2024, arXiv:2410.07163; the release form is that of its code and of open-unlearning.

    >>> import torch
    >>> both = simnpo(torch.tensor([-2.0, -4.0]), torch.tensor([1, 2]), beta=2.5)  # 2 nats a token in either
    >>> [round(loss, 6) for loss in both.tolist()]  # 0.8 log(1 + e^-5)
    [0.005372, 0.005372]
    """
    surprise = -full_precision(log_probs) / lengths.clamp(min=1)
    shift = margin if margin_form == "paper" else beta * margin
    return -(2 / beta) * F.logsigmoid(beta * surprise - shift)
