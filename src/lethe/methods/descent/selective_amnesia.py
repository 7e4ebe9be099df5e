"""Selective amnesia: ascent in the MLPs where facts are recalled, with a retain weight that grows where it has to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.feeds import Draw
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Scope
from lethe.scopes.traced import TracedLayers
from lethe.steps import Plain
from lethe.steps.adaptive import AdaptiveRetain
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class SelectiveAmnesia(LanguageDescent):
    """Selective amnesia: min -L(D_f) + α_t L(D_r) in the MLPs of a few blocks, both means over answer tokens.

    In the first epoch α = low and the mean L̄ of the batches' retain losses is taken; from then on α =
    clip(a·b^ΔL + c, low, high) in a batch whose retain loss lies ΔL > 0 above L̄, and low in others. Ascent is
    unbounded: only the small learning rate and the frozen blocks limit it.

    Every batch holds as many retain as forget examples. The release mixes both at random, so that some of its batches
    have nothing to protect them. It also picks the checkpoint with the lowest joint loss, which favours the largest
    forget loss; watch a measure of your own for that.

    Args:
        layers: numbers of the blocks to train, from 0; empty lets causal tracing choose.
        count: blocks that causal tracing chooses.
        subject: column of the forget set with the subject of each prompt; read where tracing chooses.
        kind: `mlp`, `self_attn` or `all`: what moves in these blocks.
        factor: a.
        base: b.
        offset: c.
        low: smallest α.
        high: largest α; 2.3 in the release.
        first_mean: `paper` takes L̄ as the mean of the batches' losses, `release` divides that by the sequences of a
            batch, which leaves α near its largest value.

    Source: Agrawal and Huang 2025, SemEval-2025 task 4, arXiv:2504.12996.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    aims: ClassVar[str] = "removal"

    epochs: int = 8
    batch_size: int = 60
    learning_rate: float = 1.5e-5
    warmup_epochs: float = 0.0
    layers: tuple[int, ...] = ()
    count: int = 6
    subject: str = "subject"
    kind: Literal["mlp", "self_attn", "all"] = "mlp"
    factor: float = 0.3
    base: float = 6.0
    offset: float = 0.8
    low: float = 1.2
    high: float = 2.8
    first_mean: Literal["paper", "release"] = "paper"

    def check(self) -> None:
        """Raise ConfigurationError where the step or the retain term cannot be what the method makes of it."""
        super().check()
        if not isinstance(self.step, (Plain, AdaptiveRetain)):
            raise ConfigurationError(
                f"SelectiveAmnesia sets the retain weight in a step of its own, which leaves no place for "
                f"{type(self.step).__name__}"
            )
        if self.retain == "none" or self.retain_weight != 1.0:
            raise ConfigurationError(
                "SelectiveAmnesia weighs the retain term itself: keep retain and retain_weight=1, and set low and high"
            )

    def reach(self) -> Scope:
        """The chosen blocks, within the user's scope."""
        return self.scope & TracedLayers(self.count, self.layers, self.kind, self.subject)

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop with the adaptive step, whose first mean is that of the first epoch."""
        self.check()
        first = len(self.plan(problem, run, 0))
        sequences = 2 * min(self.batch_size, len(problem.forget))
        step = AdaptiveRetain(
            first, self.factor, self.base, self.offset, self.low, self.high,
            divisor=1.0 if self.first_mean == "paper" else sequences,
        )  # fmt: skip
        return super(SelectiveAmnesia, replace(self, step=step)).unlearn(problem, run)

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the negative loss of each forget answer, weighed so that their mean is one over tokens."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            return -task.training_losses(model, forgotten(draw))

        return term
