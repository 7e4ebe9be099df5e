"""Distance of the model's predictions on the forget set from those of models retrained without it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.losses import js_divergence, kl_divergence


@dataclass(frozen=True, kw_only=True)
class GoldDivergence(Metric):
    """A divergence between gold's prediction and the model's, averaged over the forget set and over golds."""

    unit: ClassVar[str] = "nats"
    kind: ClassVar[Literal["distance"]] = "distance"
    goal: ClassVar[Literal["min"]] = "min"
    needs: ClassVar[frozenset[str]] = frozenset({"gold"})

    @abstractmethod
    def divergence(self, gold: Tensor, model: Tensor) -> Tensor:
        """Return the divergence of each example from logits [N, C] of both, [N]."""

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean over the forget set; the details hold it by gold, and the 95th percentile of the examples."""
        own = rows["forget"].logits.double()
        found = torch.stack([self.divergence(gold["forget"].logits.double(), own) for gold in against.gold])
        details = {"by_gold": found.mean(1).tolist(), "quantile_95": float(found.mean(0).quantile(0.95))}
        return Score(float(found.mean()), details)


@dataclass(frozen=True, kw_only=True)
class KLToGold(GoldDivergence):
    """Mean KL(gold ‖ model) of the predicted distributions on the forget set: 0 where they agree, unbounded above.

    Source: Golatkar et al. 2020, arXiv:2003.02960 (distance of activations from a retrained model).
    """

    title: ClassVar[str] = "KL to gold"

    def divergence(self, gold: Tensor, model: Tensor) -> Tensor:
        """Return KL(gold ‖ model), [N]."""
        return kl_divergence(gold, model)


@dataclass(frozen=True, kw_only=True)
class JSToGold(GoldDivergence):
    """Mean Jensen-Shannon divergence from gold on the forget set, between 0 and log 2.

    Source: Chundawat et al. 2023, arXiv:2205.08096 (JS divergence of unlearned and retrained model).
    """

    title: ClassVar[str] = "JS to gold"

    def divergence(self, gold: Tensor, model: Tensor) -> Tensor:
        """Return JS(gold, model), [N]."""
        return js_divergence(gold, model)
