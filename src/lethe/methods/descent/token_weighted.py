"""WGA and SatImp: gradient ascent with a weight for each token, taken from the token's own probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from lethe import losses
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, pooled
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class WGA(LanguageDescent):
    """Weighted gradient ascent (WGA): min E_t[p_t^β log p_t] + λ L(θ; D_r), no gradient through the weight.

    The mean runs over all answer tokens of the forget batch. The weight takes ascent off tokens forgotten already.

    Args:
        beta: β, at least 0; at 0 it is gradient ascent.

    Source: Wang et al. 2025, arXiv:2502.19301; the settings of its authors on TOFU.
    """

    aims: ClassVar[str] = "removal"

    epochs: int = 5
    batch_size: int = 16
    beta: float = 1.0

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the weighted ascent of each forget answer."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            return pooled(losses.wga(task.outputs(model, batch), task.targets(batch), self.beta), task, batch)

        return term


@dataclass(frozen=True, kw_only=True)
class SatImp(LanguageDescent):
    """SatImp: min E_t[p_t^β1 (1 - p_t)^β2 log p_t] + λ L(θ; D_r), no gradient through the weight.

    The first factor drops tokens that are forgotten already (saturation), the second those that any model would say.

    Args:
        retain_weight: λ; the paper weighs forgetting ten times as much, while the configuration of its
            contribution to open-unlearning has 1 here and 0.1 as the weight of the forget term.
        saturation: β1, at least 0.
        importance: β2, at least 0; the authors' own code recommends 0.1 on TOFU.

    Source: Yang et al. 2025, arXiv:2505.11953, section 5.
    """

    aims: ClassVar[str] = "removal"

    epochs: int = 5
    batch_size: int = 16
    retain_weight: float = 0.1
    saturation: float = 5.0
    importance: float = 1.0

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the weighted ascent of each forget answer."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            logits = task.outputs(model, batch)
            values = losses.satimp(logits, task.targets(batch), self.saturation, self.importance)
            return pooled(values, task, batch)

        return term
