"""Ridge regression that learns rows and takes them back in closed form, without the other rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lethe.errors import InputError


@dataclass(frozen=True, eq=False)
class Ridge:
    """The solution W = R·XᵀY, R = (XᵀX + γI)⁻¹, of all rows learnt and not taken back. Everything is float64.

    Attributes:
        inverse: R, [d, d].
        weight: W, [d, C].
        gram: XᵀX + γI, [d, d], a sum from which nothing is lost.
        cross: XᵀY, [d, C].
        ridge: γ.
    """

    inverse: Tensor
    weight: Tensor
    gram: Tensor
    cross: Tensor
    ridge: float

    @classmethod
    def empty(cls, width: int, classes: int, ridge: float) -> Ridge:
        """Return the solution of no row: R = I/γ, W = 0."""
        identity, nothing = torch.eye(width, dtype=torch.float64), torch.zeros(width, classes, dtype=torch.float64)
        return cls(identity / ridge, nothing, ridge * identity, nothing.clone(), ridge)

    def learnt(self, rows: Tensor, targets: Tensor) -> Ridge:
        """Return the solution with further rows [n, d] and targets [n, C]."""
        gram, cross = self.gram + rows.T @ rows, self.cross + rows.T @ targets
        if len(rows) >= len(self.inverse):  # solving is cheaper than an update of full rank
            return Ridge(self.inverse, self.weight, gram, cross, self.ridge).anchored()
        seen = self.inverse @ rows.T
        core = torch.eye(len(rows), dtype=torch.float64) + rows @ seen
        inverse = _symmetric(self.inverse - seen @ torch.linalg.solve(core, seen.T))
        weight = self.weight + inverse @ rows.T @ (targets - rows @ self.weight)
        return Ridge(inverse, weight, gram, cross, self.ridge)

    def unlearnt(self, rows: Tensor, targets: Tensor) -> Ridge:
        """Return the solution without rows that were learnt, [n, d], and their targets, [n, C].

        Raises:
            InputError: I - X_f R X_fᵀ is not positive definite: a row was never learnt. That shows only rows of high
                leverage; who calls keeps a list of what was learnt.
        """
        gram, cross = self.gram - rows.T @ rows, self.cross - rows.T @ targets
        seen = self.inverse @ rows.T
        core = torch.eye(len(rows), dtype=torch.float64) - rows @ seen
        factor, info = torch.linalg.cholesky_ex(core)
        if int(info) != 0:
            raise InputError("a row that is to be taken back was never learnt; name rows that were")
        if len(rows) >= len(self.inverse):
            return Ridge(self.inverse, self.weight, gram, cross, self.ridge).anchored()
        inverse = _symmetric(self.inverse + seen @ torch.cholesky_solve(seen.T, factor))
        weight = self.weight - inverse @ rows.T @ (targets - rows @ self.weight)
        return Ridge(inverse, weight, gram, cross, self.ridge)

    def anchored(self) -> Ridge:
        """Return the same solution, solved anew from the sums: what rounding has added up is gone."""
        inverse = _symmetric(torch.linalg.inv(self.gram))
        return Ridge(inverse, torch.linalg.solve(self.gram, self.cross), self.gram, self.cross, self.ridge)

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it by name, as it is kept."""
        parts = {"inverse": self.inverse, "weight": self.weight, "gram": self.gram, "cross": self.cross}
        return {name: value.contiguous() for name, value in parts.items()}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], ridge: float) -> Ridge:
        """Return what `tensors` described."""
        return cls(**dict(tensors), ridge=ridge)


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.T) / 2
