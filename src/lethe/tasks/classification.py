"""Classification: any network that maps an input to one logit a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import ConfigurationError, InputError
from lethe.examples import Batch, Examples
from lethe.tasks.base import Task, weighted_layers
from lethe.tasks.drawing import drawn_classes


@dataclass(frozen=True)
class Classification(Task):
    """Single-label classification of images, tables or vectors.

    Args:
        classes: number of classes C; labels are 0 … C-1.
        input: name of the input column, [N, ...]; images are [N, channels, height, width].
        label: name of the label column, [N] integers.
        scale: factor that brings the stored input to pixel space [0, 1] (1/255 for bytes); 1 leaves it as it is.
        mean: per-channel mean that is subtracted in pixel space; empty for none.
        std: per-channel standard deviation to divide by; empty for none.
        head_name: name of the last layer; empty for the last linear layer of the model.
    """

    classes: int
    input: str = "input"
    label: str = "label"
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    head_name: str = ""

    def pixels(self, batch: Batch) -> Tensor:
        """Return the inputs in pixel space, before normalisation, [B, ...] float."""
        return batch.tensor(self.input).float() * self.scale

    def normalise(self, pixels: Tensor) -> Tensor:
        """Map pixel space to what the network was trained on: (x - mean) / std for each channel."""
        if not self.mean:
            return pixels
        shape = (1, -1) + (1,) * (pixels.dim() - 2)
        return (pixels - pixels.new_tensor(self.mean).view(shape)) / pixels.new_tensor(self.std).view(shape)

    def logits(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """Return the logits [B, C] for inputs that are normalised already."""
        out = model(inputs)
        # Hugging Face models return a mapping, plain modules the tensor itself.
        return out["logits"] if isinstance(out, Mapping) else out

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits, [B, C]."""
        return self.logits(model, self.normalise(self.pixels(batch)))

    def labels(self, batch: Batch) -> Tensor:
        """Return the labels, [B] int64."""
        return batch.tensor(self.label).long()

    def losses_from(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy of each example, [B]."""
        return F.cross_entropy(outputs, self.labels(batch), reduction="none")

    def with_drawn_targets(self, outputs: Tensor, batch: Batch, seed: int) -> Batch:
        """Return the batch with labels drawn from the predicted probabilities."""
        once = torch.ones(len(batch), dtype=torch.long)
        return batch.with_column(self.label, drawn_classes(outputs, batch.rows, once, seed))

    def head(self, model: nn.Module) -> nn.Module:
        """Return the last layer.

        Raises:
            InputError: there is no linear layer, or no module of the given name.
        """
        if self.head_name:
            modules = dict(model.named_modules())
            if self.head_name not in modules:
                raise InputError(f"the model has no module named '{self.head_name}' to serve as head")
            return modules[self.head_name]
        linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
        if not linear:
            raise InputError("the model has no linear layer; name its last layer with Classification(head_name=...)")
        return linear[-1]

    def layers(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return the convolutions, linear maps and embeddings by name, from input to output."""
        return weighted_layers(model)

    def check(self, examples: Examples, what: str) -> None:
        """Raise InputError where a label is out of range or an input is not a finite number."""
        labels = examples.tensor(self.label)
        wrong = ((labels < 0) | (labels >= self.classes)).nonzero().flatten()
        if len(wrong):
            row = int(wrong[0])
            raise InputError(
                f"{what}: example '{examples.ids[row]}' has label {int(labels[row])}, "
                f"but the model knows classes 0 to {self.classes - 1}; correct the label or remove the row"
            )
        inputs = examples.tensor(self.input)
        if inputs.is_floating_point():
            bad = (~torch.isfinite(inputs.flatten(1))).any(1).nonzero().flatten()
            if len(bad):
                raise InputError(f"{what}: example '{examples.ids[int(bad[0])]}' has a NaN or an infinity; remove it")


def as_classification(task: Task, who: str) -> Classification:
    """Return the task; raises ConfigurationError where it is none that `who`, which reads class labels, works on."""
    if not isinstance(task, Classification):
        raise ConfigurationError(f"{who} reads class labels, and this problem's task is {type(task).__name__}")
    return task
