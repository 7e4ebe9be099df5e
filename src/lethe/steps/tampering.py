"""Tamper-attack resistance: descend the forget term as it stands along simulated attacks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.steps.base import Step, gradients, moving, restored
from lethe.terms import Gradients, Terms

Attack = Literal["forget", "retain_then_forget"]


@dataclass(frozen=True)
class TamperResistance(Step):
    """The outer step of TAR: ∇L_r(θ) + s Σ_i w_i ∇L_f(θ_i), where θ_0 = θ, θ_1, … are an attack's weights.

    The attack is K steps of AdamW on the training loss, with batches of other forget examples than the step's own, on
    which L_f, the forget term, is measured. Its gradients at every few of the θ_i are taken as they are (the attack is
    not differentiated), weighed by w_i = exp(λ (i + 1 - K)) for the i-th of 0 … K - 1, so that the end counts most.
    Afterwards the weights are what they were, and the method's optimiser takes one step.

    An attack draws its learning rate from `rates` and its kind from `attacks`: `forget` trains on forget examples,
    `retain_then_forget` on retain examples first and, from step K · Beta(6, 3) on, on forget examples. The release has
    a third kind, with a second forget corpus.

    Args:
        attack_steps: K.
        every: attack steps between two gradients of the forget term.
        rates: learning rates of the attack.
        attacks: kinds of attack.
        attack_decay: weight decay of the attack.
        growth: λ.
        scale: s.

    Source: Tamirisa et al. 2024, TAR, arXiv:2408.00761, algorithm 1, and its release.
    """

    attack_steps: int = 64
    every: int = 4
    rates: tuple[float, ...] = (2e-6, 2e-5, 4e-5)
    attacks: tuple[Attack, ...] = ("forget", "retain_then_forget")
    attack_decay: float = 0.01
    growth: float = 0.0625
    scale: float = 4.0

    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})

    def __post_init__(self) -> None:
        if not 1 <= self.every <= self.attack_steps:
            raise ConfigurationError(
                f"every must lie between 1 and attack_steps ({self.attack_steps}), not be {self.every}"
            )
        if not self.rates or not self.attacks:
            raise ConfigurationError("rates and attacks must each name at least one")

    def __call__(self, model: nn.Module, terms: Terms, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """Update the weights once."""
        weights = moving(optimizer)
        optimizer.zero_grad(set_to_none=True)
        values = terms.backward(weights, but={"forget"})
        total = gradients(weights)
        with restored(weights):
            torch._foreach_add_(total, self._along_attack(weights, terms), alpha=self.scale)
        for weight, gradient in zip(weights, total, strict=True):
            weight.grad = gradient
        optimizer.step()
        return values

    def _along_attack(self, weights: list[Tensor], terms: Terms) -> Gradients:
        """Attack the weights in place and return Σ_i w_i ∇L_f(θ_i)."""
        total = [torch.zeros_like(w) for w in weights]
        rate, switch = self.drawn(terms.generator(torch.device("cpu")))
        attacker = torch.optim.AdamW(weights, lr=rate, weight_decay=self.attack_decay)
        for i in range(self.attack_steps):
            terms.asked("retain" if i < switch else "forget", batch=i + 1).backward(weights)
            attacker.step()
            attacker.zero_grad(set_to_none=True)
            if (i + 1) % self.every == 0:
                terms.backward(weights, only={"forget"})
                weight = math.exp(self.growth * (i + 1 - self.attack_steps))
                torch._foreach_add_(total, gradients(weights), alpha=weight)
        return total

    def drawn(self, generator: torch.Generator) -> tuple[float, float]:
        """Draw an attack: its learning rate, and the step from which it trains on forget examples."""
        rate = self.rates[int(torch.randint(len(self.rates), (), generator=generator))]
        kind = self.attacks[int(torch.randint(len(self.attacks), (), generator=generator))]
        # The 6th smallest of 8 uniform numbers is distributed as Beta(6, 3).
        share = float(torch.rand(8, generator=generator).sort().values[5])
        return rate, share * self.attack_steps if kind == "retain_then_forget" else 0.0
