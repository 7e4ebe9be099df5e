"""Importances: how much each weight matters for a set of examples, computed once and kept in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lethe.errors import InputError, StorageError
from lethe.examples import Batch, Examples
from lethe.models import fingerprint
from lethe.run import Run
from lethe.scopes.importance import gradient_pass, mean_squared_gradient
from lethe.scopes.per_example import mean_squared_example_gradient
from lethe.store import atomic
from lethe.tasks import Task


@dataclass(frozen=True)
class Importances:
    """How importances are taken: I_i = (1/batches) Σ_b (∂ℓ_b/∂θ_i)², ℓ_b the mean loss of batch b.

    Two sets can be compared only where both were measured in the same way: the squared gradient of a batch's mean
    loss shrinks as batches grow.

    Args:
        batch_size: examples a batch.
        per_example: square the gradient of every single example instead, the diagonal of the empirical Fisher matrix.
        label_free: (1/batches) Σ_b |∂/∂θ_i mean_b ‖f(x)‖₂²|, which reads no labels.
    """

    batch_size: int = 64
    per_example: bool = False
    label_free: bool = False

    def measure(self, model: nn.Module, task: Task, examples: Examples, run: Run) -> dict[str, Tensor]:
        """Return the importances by parameter name, float32, from one pass in eval mode."""
        if self.label_free:

            def add_size(total: Tensor, gradient: Tensor) -> None:
                total.add_(gradient.abs())

            def length(model: nn.Module, batch: Batch) -> Tensor:
                return task.outputs(model, batch).square().flatten(1).sum(1).mean()

            totals, count = gradient_pass(model, examples, length, self.batch_size, run, add_size, "importance")
            return {name: total / count for name, total in totals.items()}
        if self.per_example:
            return mean_squared_example_gradient(model, examples, task.losses, self.batch_size, run)

        def loss(model: nn.Module, batch: Batch) -> Tensor:
            return task.losses(model, batch).mean()

        return mean_squared_gradient(model, examples, loss, self.batch_size, run)

    def facts(self, model: nn.Module) -> dict[str, Any]:
        """Return what must agree before two importances may be compared."""
        # Single examples do not depend on how they were batched.
        size = None if self.per_example and not self.label_free else self.batch_size
        return {
            "batch_size": size,
            "per_example": self.per_example,
            "label_free": self.label_free,
            "model": fingerprint(model),
        }

    def save(self, path: str | Path, model: nn.Module, values: dict[str, Tensor]) -> None:
        """Write importances of the model to a safetensors file: 4 bytes a weight, no data."""
        from safetensors.torch import save

        kept = {name: value.cpu().contiguous() for name, value in values.items()}
        atomic(Path(path), save(kept, metadata={"importances": json.dumps(self.facts(model))}))

    def load(self, path: str | Path, model: nn.Module) -> dict[str, Tensor]:
        """Read importances of the model.

        Raises:
            StorageError: the file is missing or damaged.
            InputError: they belong to another model or were measured in another way.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["importances"])
                values = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        except FileNotFoundError:
            raise StorageError(f"{path}: no such file; write it with Importances(...).save") from None
        except (SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise StorageError(f"{path}: not a file of importances ({error}); write it again") from None
        wanted = self.facts(model)
        differing = sorted(key for key in wanted if facts.get(key) != wanted[key])
        if differing:
            raise InputError(
                f"{path}: these importances differ in {', '.join(differing)} from what is asked for; "
                "measure them on this model with the same options"
            )
        return values
