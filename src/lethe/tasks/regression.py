"""Regression: any network that maps an input to one number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import ConfigurationError, InputError
from lethe.examples import Batch, Examples
from lethe.tasks.base import Task, weighted_layers


@dataclass(frozen=True)
class Regression(Task):
    """Prediction of one number from images, tables or windows of a series.

    Args:
        input: name of the input column, [N, ...].
        target: name of the target column, [N] numbers.
        loss: `l1` |f - y|, or `mse` (f - y)².
        head_name: name of the last layer; empty for the last linear layer of the model.
    """

    input: str = "input"
    target: str = "target"
    loss: Literal["l1", "mse"] = "mse"
    head_name: str = ""

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the predictions, [B]."""
        out = model(batch.tensor(self.input).float())
        values = out["logits"] if isinstance(out, Mapping) else out
        return values.flatten(1).squeeze(1) if values.dim() > 1 else values

    def targets(self, batch: Batch) -> Tensor:
        """Return the targets, [B] float."""
        return batch.tensor(self.target).float()

    def losses_from(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return |f - y| or (f - y)² of each example, [B]."""
        loss = F.l1_loss if self.loss == "l1" else F.mse_loss
        return loss(outputs, self.targets(batch).to(outputs.dtype), reduction="none")

    def head(self, model: nn.Module) -> nn.Module:
        """Return the last layer; raises InputError where there is none, or none of the given name."""
        modules = dict(model.named_modules())
        if self.head_name:
            if self.head_name not in modules:
                raise InputError(f"the model has no module named '{self.head_name}' to serve as head")
            return modules[self.head_name]
        linear = [module for module in modules.values() if isinstance(module, nn.Linear)]
        if not linear:
            raise InputError("the model has no linear layer; name its last layer with Regression(head_name=...)")
        return linear[-1]

    def layers(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return the convolutions, linear maps and recurrent layers by name, from input to output."""
        return weighted_layers(model)

    def check(self, examples: Examples, what: str) -> None:
        """Raise InputError where an input or a target is not a finite number."""
        for column in (self.input, self.target):
            values = examples.tensor(column)
            if values.is_floating_point():
                bad = (~torch.isfinite(values.flatten(1) if values.dim() > 1 else values[:, None])).any(1).nonzero()
                if len(bad):
                    name = examples.ids[int(bad[0])]
                    raise InputError(f"{what}: example '{name}' has a NaN or an infinity in '{column}'; remove it")


def as_regression(task: Task, who: str) -> Regression:
    """Return the task; raises ConfigurationError where it is none that `who`, which reads target values, works on."""
    if not isinstance(task, Regression):
        raise ConfigurationError(f"{who} reads target values, and this problem's task is {type(task).__name__}")
    return task
