"""Quantisation: round the weights to 8 and 4 bits, and see whether a small change of them is rounded away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from lethe.auditing.attacks import rounding
from lethe.auditing.attacks.perturbing import Perturbing
from lethe.errors import ConfigurationError
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class Quantize(Perturbing):
    """What of the forget set comes back when the weights are rounded to few bits, as people do to run a model.

    ŵ = s · round(w / s), s = max |w| / (2^(bits-1) - 1) in each output channel. Unlearning moves weights by little;
    where it moves them by less than half a step s, the rounded model is the rounded original. Gold, which was never
    there, gains nothing.

    Args:
        bits: the numbers of bits to try; 32 rounds nothing.
        group: length of the groups of a channel that have a scale of their own; 0 takes whole channels.
        scheme: `absmax`, evenly spaced levels; `nf4`, at 4 bits the levels of NF4 in groups of `group`, or 64.

    Source: Zhang et al. 2024, Catastrophic Failure of LLM Unlearning via Quantization, arXiv:2410.16454 (round to
    nearest at 8 and 4 bits).
    """

    bits: tuple[int, ...] = (8, 4)
    group: int = 0
    scheme: Literal["absmax", "nf4"] = "absmax"

    title: ClassVar[str] = "Quantisation"
    word: ClassVar[str] = "bits"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bits:
            raise ConfigurationError("bits names no number of bits; name one, as in bits=8,4")
        for bits in self.bits:
            rounding.require_bits(bits)
            if self.scheme == "nf4" and bits not in (4, 32):
                raise ConfigurationError(f"NF4 has 4 bits, not {bits}; set bits=4, or the scheme to absmax")
        if self.group < 0:
            raise ConfigurationError(f"group must not be negative, not {self.group}")

    @property
    def strengths(self) -> Sequence[float]:
        """The numbers of bits, the most first."""
        return sorted(self.bits, reverse=True)

    def perturb(self, weights: Sequence[Tensor], strength: float, run: Run) -> None:
        """Round all of them."""
        for weight in weights:
            if self.scheme == "nf4" and strength == 4:
                weight.copy_(rounding.nf4(weight, self.group or 64))
            else:
                weight.copy_(rounding.absmax(weight, int(strength), self.group))
