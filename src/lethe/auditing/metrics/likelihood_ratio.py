"""U-LiRA: whether the model's confidence on each forget example is that of models which saw it, or of gold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.inference import auc
from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.metrics.signals import scaled_confidence
from lethe.tasks import CausalLM, Classification, Task


@dataclass(frozen=True)
class ULiRA(Metric):
    """Share of the forget set that a likelihood-ratio attack judges to have been trained on.

    For each x in D_f the logit-scaled confidence φ = log p / (1 - p), p the probability of the label or of a token of
    the answer, of the shadow models trained on x (further originals) and of those retrained without it (gold) is a
    Gaussian each, N(μ_in, σ²) and N(μ_out, σ²), of one shared variance: a handful of models gives none for each
    example. x is judged trained on where its log likelihood ratio λ(x) = (φ - (μ_in + μ_out)/2)(μ_in - μ_out)/σ² is
    positive, whatever σ² is.

    The original itself is in neither ensemble: the model comes from it and would resemble it for that alone.
    `auc` in the details is the chance that λ of the model exceeds λ of a gold model, each gold judged by the others
    (0.5: the attack cannot tell the model from a retrained one).

    Source: Kurmanji et al. 2023, arXiv:2302.09880; Hayes et al. 2024, arXiv:2403.01218 (there the first ensemble is of
    unlearned models; here of original ones, so that the test asks what is left of the original).
    """

    title: ClassVar[str] = "U-LiRA"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM)
    needs: ClassVar[frozenset[str]] = frozenset({"two golds", "originals"})

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the share, between 0 and 1."""
        own = scaled_confidence(rows, "forget")
        seen = torch.stack([scaled_confidence(one, "forget") for one in against.originals])
        unseen = torch.stack([scaled_confidence(one, "forget") for one in against.gold])
        ratios = _log_ratio(own, seen, unseen)
        others = [
            _log_ratio(unseen[i], seen, unseen[[j for j in range(len(unseen)) if j != i]]) for i in range(len(unseen))
        ]
        return Score((ratios > 0).double().mean().item(), {"auc": auc(ratios, torch.cat(others))})


def _log_ratio(own: Tensor, seen: Tensor, unseen: Tensor) -> Tensor:
    """Return σ² λ(x) for each example, [N]: the shared variance changes neither sign nor order."""
    inside, outside = seen.mean(0), unseen.mean(0)
    return (own - (inside + outside) / 2) * (inside - outside)
