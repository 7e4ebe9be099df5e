"""OPC: contract what the model says of the forget set to one point, the origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from lethe import losses
from lethe.descent import Descent, Objective
from lethe.errors import ConfigurationError
from lethe.feeds import Draw
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import as_classification


@dataclass(frozen=True, kw_only=True)
class OPC(Descent):
    """One-point contraction: min E_r[CE(m(x_r), y_r)] + E_f ‖m(x_f)‖₂, m the logits; no label of D_f is read.

    Logits near 0 are those of an input the model never saw anything like: all classes are equally likely. A retrained
    model does not answer so; look at what comes back of the features (`feature_mapping`, `head_recovery`) beside it.
    No source states optimiser and epochs; those here are a start. The norm pulls with all its strength to the last: at
    larger learning rates the logits of all examples vanish before the cross-entropy answers. The same happens where
    forget examples look like those that are kept; a smaller weight then keeps more.

    Args:
        target: what is contracted: the `logits`, as published, or the `features` that enter the head, which the
            claim is about. Logits can vanish through the head alone, and features of norm 0 leave the head's bias.
        forget_weight: weight of the norm; the published sum has none. With 0 this is fine-tuning on the retain set.

    Source: One-Point-Contraction Unlearning Toward Deep Feature Forgetting, arXiv:2507.07754.
    """

    aims: ClassVar[str] = "suppression"

    epochs: int = 15
    learning_rate: float = 0.003
    target: Literal["logits", "features"] = "logits"
    forget_weight: float = 1.0

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if not self.forget_weight >= 0:
            raise ConfigurationError(f"forget_weight must not be negative, not {self.forget_weight}")

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the norms and the cross-entropy."""
        task = as_classification(problem.task, "opc")

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.forget is not None
            assert draw.retain is not None
            named = {"retain": task.losses(model, draw.retain)}
            if self.forget_weight:
                read = task.outputs if self.target == "logits" else task.features
                named["forget"] = self.forget_weight * losses.contraction(read(model, draw.forget))
            return named

        return terms
