"""Integrated gradients: which tokens of an answer carry its likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import ConfigurationError
from lethe.measuring import evaluation
from lethe.precision import full_precision

Rule = Literal["gausslegendre", "riemann_trapezoid"]


@dataclass(frozen=True, eq=False)
class TokenAttribution:
    """What each token of an answer contributes to log p of the whole answer.

    Attributes:
        scores: [T] one number a token of the answer.
        gained: F(x) - F(x'), what they add up to but for the error of the sum.
    """

    scores: Tensor
    gained: float

    @property
    def error(self) -> float:
        """Return |Σ scores - gained|, as a share of |gained|."""
        return abs(float(self.scores.sum()) - self.gained) / abs(self.gained)


def token_attribution(
    model: nn.Module, prompt: list[int], answer: list[int], *, pad: int | None, device: torch.device,
    steps: int = 32, rule: Rule = "gausslegendre",
) -> TokenAttribution:  # fmt: skip
    """Return a_t = Σ_d (e_t - e'_t)_d ∫ ∂F/∂e_td over the line from e' to e, F = Σ_t log p(x_t | x_<t) of the answer.

    The baseline e' has another embedding at the answer's tokens alone: that of padding, or zeros.

    Args:
        model: a causal language model of transformers, on the device.
        prompt: tokens before the answer, at least one.
        answer: tokens of the answer, at least one.
        pad: the token whose embedding is the baseline; None takes zeros.
        device: where the model is.
        steps: points on the line.
        rule: how they are weighed. The published mean over points with both ends is close to `riemann_trapezoid`;
            Gauss and Legendre's points are more exact at the same cost.

    Raises:
        ConfigurationError: prompt or answer are empty, or there are fewer than two steps.

    Source: Sundararajan et al. 2017, arXiv:1703.01365; on answers: the release of Chang et al. 2024, arXiv:2405.15662.
    """
    from captum.attr import IntegratedGradients

    if not prompt or not answer or steps < 2:
        raise ConfigurationError("integrated gradients need a prompt, an answer, and two steps or more")
    hugging: Any = model
    tokens = torch.tensor([prompt + answer], device=device)
    embed, first = hugging.get_input_embeddings(), len(prompt)
    with evaluation(model):
        inputs = embed(tokens).detach()
        baseline = inputs.clone()
        baseline[:, first:] = 0 if pad is None else embed(torch.tensor([[pad]], device=device))

    def likelihood(embeddings: Tensor) -> Tensor:
        logits = hugging(inputs_embeds=embeddings, use_cache=False)["logits"][:, first - 1 : -1]
        log_probs = F.log_softmax(full_precision(logits), dim=-1)
        return log_probs.gather(2, tokens[:, first:].expand(len(embeddings), -1).unsqueeze(2)).sum((1, 2))

    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            gained = float(likelihood(inputs) - likelihood(baseline))
        found = IntegratedGradients(likelihood).attribute(
            inputs.requires_grad_(True), baseline, n_steps=steps, method=rule, internal_batch_size=steps
        )
    finally:
        for module, training in modes:
            module.training = training
    return TokenAttribution(found.detach()[0, first:].sum(-1).float().cpu(), gained)
