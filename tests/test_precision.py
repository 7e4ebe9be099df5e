"""Every loss of bfloat16 inputs is computed in float32, and one of float64 inputs in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lethe import losses, segments

ROWS = torch.tensor([0, 0, 0, 1, 2])
TARGETS = torch.tensor([0, 3, 6, 2, 1])
CASES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "activation_loss": lambda a, b: losses.activation_loss(a, b, ROWS, 3),
    "ceu": lambda a, _: losses.ceu(a, TARGETS),
    "correct_logit": lambda a, _: losses.correct_logit(a, TARGETS),
    "dpo": lambda a, b: losses.dpo(a[:, 0], b[:, 0], a[:, 1], b[:, 1]),
    "flat": lambda a, b: losses.flat(a.sigmoid(), b.sigmoid(), "jeffrey"),
    "hidden_distance": losses.hidden_distance,
    "inverted_hinge": lambda a, _: losses.inverted_hinge(a, TARGETS),
    "js_divergence": losses.js_divergence,
    "kl_divergence": losses.kl_divergence,
    "kto": lambda a, b: losses.kto(a[:, 0], b[:, 0], a[:, 1].mean()),
    "kto_scaled": lambda a, b: losses.kto_scaled(a[:, 0], b[:, 0], a[:, 1].mean()),
    "logit_margin_flattening": lambda a, _: losses.logit_margin_flattening(a),
    "mean_by_row": lambda a, _: segments.mean_by_row(a, ROWS, 3),
    "negative_entropy": lambda a, _: losses.negative_entropy(a),
    "npo": lambda a, b: losses.npo(a[:, 0], b[:, 0]),
    "random_mapping": losses.random_mapping,
    "router_anchor": lambda a, _: losses.router_anchor(a, 1),
    "satimp": lambda a, _: losses.satimp(a, TARGETS),
    "simnpo": lambda a, _: losses.simnpo(a[:, 0], torch.tensor([1, 2, 3, 4, 5]), 2.5),
    "soft_cross_entropy": losses.soft_cross_entropy,
    "token_log_probs": lambda a, _: losses.token_log_probs(a, TARGETS),
    "undial": lambda a, b: losses.undial(a, b, TARGETS),
    "wga": lambda a, _: losses.wga(a, TARGETS),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_half_precision_is_lifted_and_double_kept(name):
    random = torch.Generator().manual_seed(0)
    first, second = (torch.randn(5, 7, generator=random).bfloat16() for _ in range(2))
    half = CASES[name](first, second)
    assert half.dtype == torch.float32
    assert bool(torch.isfinite(half).all())
    double = CASES[name](first.double(), second.double())
    assert double.dtype == torch.float64
    tolerance = 1e-2 if name in ("flat", "kto", "kto_scaled") else 1e-5  # these round before the loss begins
    torch.testing.assert_close(half.double(), double, atol=tolerance, rtol=tolerance)
