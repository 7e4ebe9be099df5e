"""Smooth unlearning: NPO made flat around its end, so that a little training does not bring back what it took."""

from __future__ import annotations

from dataclasses import dataclass, field

from lethe.methods.descent.npo import NPO
from lethe.steps import SAM, Step


@dataclass(frozen=True, kw_only=True)
class Smooth(NPO):
    """NPO against relearning: min_θ max_{‖δ‖₂ ≤ ρ} L_NPO(θ + δ; D_f) + λ L(θ; D_r), by sharpness-aware minimisation.

    The attack is taken for a change δ of the weights. The paper's other smoothers are other steps:
    `random_smoothing`, `gradient_penalty`, `curvature_regularisation` and `weight_averaging`, and any of them works
    with any method. The defaults are those of the release's runs on MUSE; ρ between 0.001 and 0.1 depends on the model.

    Source: Fan et al. 2025, arXiv:2502.05374.
    """

    epochs: int = 10
    batch_size: int = 4
    weight_decay: float = 0.0
    warmup_epochs: float = 0.0
    step: Step = field(default_factory=lambda: SAM(rho=0.01, on="forget"))
