"""Selective synaptic dampening: shrink the weights that matter far more for the forget set than in general."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.errors import ConfigurationError
from lethe.examples import concatenate
from lethe.methods.edits.edit import Edit
from lethe.methods.edits.importances import Importances
from lethe.problem import Problem
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class SSD(Edit):
    """Selective synaptic dampening (SSD): two gradient passes, one multiplication, no training.

    With I_f the importances on the forget set and I_D those on all data, retain and forget set together:
    weight i is selected iff I_f > α I_D, and then shrunk, θ_i ← min(λ I_D / I_f, 1) θ_i. The others keep their bits.
    A smaller α forgets more weights, a smaller λ shrinks them more; with λ > α those at the border do not change.

    Args:
        alpha: α, how many times more important for the forget set than in general a weight must be to be selected.
        dampening: λ, how far the selected are shrunk.
        batch_size: examples a batch; part of the definition, as the gradient of a batch's mean loss is squared.
        per_example: square the gradients of single examples instead (not what was published; no batch size in it).
        label_free: LFSSD: absolute gradients of ‖f(x)‖₂² in the place of squared gradients of the loss; no labels.
        importances: file with I_D, written ahead by `Importances.save`; then no retain data are needed.

    Source: Foster et al. 2024, arXiv:2308.07707; label-free: Foster et al. 2024, arXiv:2402.19308.
    """

    alpha: float = 10.0
    dampening: float = 1.0
    batch_size: int = 64
    per_example: bool = False
    label_free: bool = False
    importances: str = ""

    def requirements(self) -> frozenset[str]:
        """The retain set, unless I_D comes from a file."""
        return frozenset() if self.importances else frozenset({"retain"})

    def reads_labels(self) -> bool:
        """The gradients of the loss do, those of ‖f(x)‖₂² do not."""
        return not self.label_free

    def check(self) -> None:
        """Raise ConfigurationError where α or λ is negative, or the two variants are mixed."""
        if not (self.alpha >= 0 and self.dampening >= 0 and self.batch_size >= 1):
            raise ConfigurationError(
                f"alpha and dampening must not be negative and batch_size must be at least 1, not alpha={self.alpha}, "
                f"dampening={self.dampening}, batch_size={self.batch_size}"
            )
        if self.per_example and self.label_free:
            raise ConfigurationError("label_free takes absolute gradients of batches; leave out per_example")

    def edited(self, problem: Problem, run: Run) -> Mapping[str, Tensor]:
        """Return the dampened weights."""
        how = Importances(self.batch_size, self.per_example, self.label_free)
        if self.importances:
            general = how.load(self.importances, problem.model)
        else:
            everything = concatenate(problem.kept, problem.forget)
            general = how.measure(problem.model, problem.task, everything, run)
        forget = how.measure(problem.model, problem.task, problem.forget, run)
        return {
            name: dampened(p.detach(), forget[name], general[name].to(p.device), self.alpha, self.dampening)
            for name, p in problem.model.named_parameters()
        }


def dampened(weight: Tensor, forget: Tensor, general: Tensor, alpha: float, dampening: float) -> Tensor:
    """Return min(λ I_D / I_f, 1) θ where I_f > α I_D, θ elsewhere; all tensors have the weight's shape.

    >>> dampened(torch.tensor([4.0, -4.0, 4.0]), torch.tensor([8.0, 8.0, 0.0]), torch.tensor([1.0, 2.0, 0.0]), 5, 2)
    tensor([ 1., -4.,  4.])
    """
    selected = forget > alpha * general
    # Where nothing is selected the divisor may be 0; selected weights always have I_f > 0.
    ratio = dampening * general / torch.where(selected, forget, 1.0)
    return torch.where(selected, ratio.clamp_max(1.0) * weight, weight)
