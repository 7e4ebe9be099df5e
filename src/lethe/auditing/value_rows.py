"""Value rows: what one forward pass of a regression model over one set of examples showed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ValueRows:
    """Predictions beside targets, in the order of the examples.

    Attributes:
        ids: [N] names of the examples.
        targets: [N] float64, in the unit of the targets.
        predictions: [N] float64, in the same unit.
        losses: [N] float64, the task's own: |f - y| or (f - y)².
        scale: mean loss of the constant prediction that is the mean of all targets measured, above 0: the size that
            an error has for one who only knows how the targets lie.
    """

    ids: tuple[str, ...]
    targets: Tensor
    predictions: Tensor
    losses: Tensor
    scale: float

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.ids)

    def take(self, positions: Tensor) -> ValueRows:
        """Return the examples at these positions, which may stand there more than once."""
        ids = tuple(self.ids[i] for i in positions.tolist())
        return ValueRows(ids, self.targets[positions], self.predictions[positions], self.losses[positions], self.scale)
