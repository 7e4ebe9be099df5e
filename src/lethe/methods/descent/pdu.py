"""PDU: flatten the predictions on forget answers, under a limit on the retain loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn

from lethe import losses
from lethe.errors import ConfigurationError
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, pooled
from lethe.problem import Problem
from lethe.run import Run
from lethe.steps import Plain, PrimalDual
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class PDU(LanguageDescent):
    """Primal-dual unlearning (PDU): min E_t (max_v z_v - mean_v z_v)² on D_f, subject to L(θ; D_r) ≤ ε.

    The multiplier λ of the limit grows while it is exceeded and shrinks while there is room: see the step `PrimalDual`.

    Args:
        multiplier: λ at the start; the forget loss is a square of logits, so λ is large (MUSE: 50).
        tolerance: ε, in nats per token: above the retain loss of the original, how far is the choice that matters.
        dual_rate: step size of the multiplier (MUSE: 1).
        dual_warmup_epochs: epochs before the multiplier begins to move (MUSE: 3).
        step: taken by the method itself.

    Source: Entesari et al. 2025, arXiv:2506.05314; the settings of its code on TOFU.
    """

    aims: ClassVar[str] = "suppression"

    multiplier: float = 100.0
    tolerance: float = 0.3
    dual_rate: float = 5.0
    dual_warmup_epochs: int = 5

    def check(self) -> None:
        """Raise ConfigurationError where there is no limit to keep, or another step is to be taken."""
        super().check()
        if self.retain == "none":
            raise ConfigurationError("PDU limits the retain loss; choose retain=nll or retain=kl")
        if not isinstance(self.step, (Plain, PrimalDual)):
            raise ConfigurationError(f"PDU is a step of its own and cannot take {type(self.step).__name__}")

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop with the primal-dual step."""
        self.check()
        warmup = self.dual_warmup_epochs * len(self.plan(problem, run, 0))
        step = PrimalDual(self.multiplier, self.tolerance, self.dual_rate, warmup)
        return super(PDU, replace(self, step=step)).unlearn(problem, run)

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the squared logit margin of each forget answer."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            return pooled(losses.logit_margin_flattening(task.outputs(model, batch)), task, batch)

        return term
