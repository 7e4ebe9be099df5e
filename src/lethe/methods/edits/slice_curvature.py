"""Curvature on a few weights: Hessians of rank one from two nearby points, or exact, and their inverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.edits.inverse_hessian import low_rank_inverse
from lethe.methods.edits.snapshots import GRADIENT_BATCH, Snapshot
from lethe.run import Run
from lethe.scopes import Mask
from lethe.scopes.importance import all_trainable
from lethe.tasks import Task

Curvature = Literal["difference", "fisher", "exact"]
MOST_EXACT = 4096


@dataclass(frozen=True, eq=False)
class SliceCurvature:
    """Second-order arithmetic on the weights of a mask.

    Args:
        mask: which weights.
        kind: `difference` is Δg Δgᵀ / ‖Δw‖₁, `fisher` is g gᵀ, `exact` the Hessian.
        damping: λ.
    """

    mask: Mask
    kind: Curvature
    damping: float

    def flat(self, values: Mapping[str, Tensor]) -> Tensor:
        """Return the chosen entries of tensors by parameter name as one vector, [d]."""
        return torch.cat([entries for _, entries in self._chosen(values)])

    @property
    def empty(self) -> bool:
        """Whether no weight is chosen."""
        return not any(bool(torch.as_tensor(flag).any()) for flag in self.mask.allowed.values())

    def added(self, values: Mapping[str, Tensor], step: Tensor) -> dict[str, Tensor]:
        """Return the tensors with a vector added to their chosen entries; all others have their bits."""
        changed, first = {}, 0
        for name, entries in self._chosen(values):
            part = step[first : first + len(entries)]
            moved = values[name].clone()
            moved[self._where(name, moved)] = (entries.double() + part).to(moved.dtype)
            changed[name] = moved
            first += len(entries)
        return changed

    def measured(
        self, one: Snapshot, other: Snapshot, model: nn.Module, task: Task, examples: Examples, run: Run
    ) -> Tensor:
        """Return H on the chosen weights: [d] u with H = u uᵀ, or [d, d] where it is exact.

        Args:
            one: weights and gradient at a point.
            other: at another, for `difference`.
            model: for `exact`.
            task: for `exact`.
            examples: whose mean loss is differentiated, for `exact`.
            run: for `exact`.
        """
        if self.kind == "exact":
            return self._exact(model, task, examples, run)
        if self.kind == "fisher":
            return self.flat(one.gradient).double()
        apart = (self.flat(one.weights) - self.flat(other.weights)).double().abs().sum()
        change = (self.flat(one.gradient) - self.flat(other.gradient)).double()
        # Weights that did not move tell nothing of their curvature.
        return change / apart.sqrt() if float(apart) > 0 else torch.zeros_like(change)

    def inverse(self, terms: Sequence[tuple[float, Tensor]], vector: Tensor) -> Tensor:
        """Return (Σ_k c_k H_k + λ I)⁻¹ g, [d] float64, for coefficients and what `measured` returned."""
        if self.kind == "exact":
            total = torch.stack([c * h for c, h in terms]).sum(0)
            return torch.linalg.solve(total + self.damping * torch.eye(len(total)).to(total), vector.double())
        factors = torch.stack([factor for _, factor in terms])
        return low_rank_inverse(factors, factors.new_tensor([c for c, _ in terms]), vector, self.damping)

    def _chosen(self, values: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
        return [
            (n, values[n][self._where(n, values[n])]) for n in values if self.mask.allowed.get(n, False) is not False
        ]

    def _where(self, name: str, value: Tensor) -> Tensor:
        flag = self.mask.allowed[name]
        return flag.to(value.device) if isinstance(flag, Tensor) else torch.full_like(value, flag, dtype=torch.bool)

    def _exact(self, model: nn.Module, task: Task, examples: Examples, run: Run) -> Tensor:
        """Return the Hessian of the mean loss, a row a backward pass."""
        parameters = dict(model.named_parameters())
        count = len(self.flat({name: p.detach() for name, p in parameters.items()}))
        if count > MOST_EXACT:
            raise ConfigurationError(
                f"an exact Hessian of {count} weights is too large (at most {MOST_EXACT}); take curvature=difference"
            )
        total = torch.zeros(count, count, dtype=torch.float64, device=run.device)
        # Fused attention has no second derivative.
        with all_trainable(model), sdpa_kernel(SDPBackend.MATH):
            for batch in examples.batches(GRADIENT_BATCH):
                run.interrupt_point()
                loss = task.losses(model, batch.to(run.device)).sum() / len(examples)
                first = torch.autograd.grad(loss, list(parameters.values()), create_graph=True, materialize_grads=True)
                slope = self.flat(dict(zip(parameters, first, strict=True)))
                for i in range(count):
                    second = torch.autograd.grad(
                        slope[i], list(parameters.values()), retain_graph=True, materialize_grads=True
                    )
                    total[i] += self.flat(dict(zip(parameters, second, strict=True))).double()
        return total
