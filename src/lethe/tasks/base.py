"""Task: all that generic code may ask of a kind of model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.examples import Batch, Column, Examples
from lethe.models import reinitialised


class Task(ABC):
    """How one kind of model is fed and read. Subclasses are frozen dataclasses."""

    @abstractmethod
    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return what the model predicts: logits [B, C], [B, T, V], values [B], and so on."""

    @abstractmethod
    def losses_from(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the training loss of each example, [B], for outputs that are there already."""

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the training loss of each example, [B]."""
        return self.losses_from(self.outputs(model, batch), batch)

    def training_losses_from(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the values whose mean over a batch is the loss such models are trained with, [B].

        Those are the losses of the examples, unless the kind of model has another convention: language models take the
        mean over the tokens of a batch, not over its examples.
        """
        return self.losses_from(outputs, batch)

    def training_losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the values whose mean over a batch is the training loss, [B]."""
        return self.training_losses_from(self.outputs(model, batch), batch)

    def prepare(self, batch: Batch) -> Batch:
        """Return the batch of a step with whatever depends on all of it, before it is cut into parts."""
        return batch

    def sizes(self, columns: Mapping[str, Column]) -> Tensor | None:
        """Return how long each example is, [N], for work in batches of like lengths; None where all are alike."""
        return None

    def pads(self, model: nn.Module) -> bool:
        """Whether examples of unlike length cost as much as the longest of their batch."""
        return True

    def with_drawn_targets(self, outputs: Tensor, batch: Batch, seed: int) -> Batch:
        """Return the batch with targets drawn from what the model predicts, for estimates of curvature.

        Args:
            outputs: what the model predicts for the batch.
            batch: the examples; their own targets are left out of account.
            seed: the same seed and predictions give an example the same target in whatever part of a batch.

        Raises:
            ConfigurationError: such models predict no distribution.
        """
        raise ConfigurationError(f"{type(self).__name__} predicts no distribution to draw targets from")

    @abstractmethod
    def head(self, model: nn.Module) -> nn.Module:
        """Return the last layer, which maps features to outputs."""

    @abstractmethod
    def layers(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return the layers with weights by name, from input to output."""

    @abstractmethod
    def check(self, examples: Examples, what: str) -> None:
        """Raise InputError, naming `what` and the row, where the examples cannot be fed to such a model."""

    def features(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the representation that enters the head, [B, D]."""
        return self.outputs_and_features(model, batch)[1]

    def outputs_and_features(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return outputs and features of one forward pass."""
        seen: list[Tensor] = []
        handle = self.head(model).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            outputs = self.outputs(model, batch)
        finally:
            handle.remove()
        return outputs, seen[0].flatten(1)

    def fresh(self, model: nn.Module, seed: int) -> nn.Module:
        """Return a copy of the model with newly drawn weights, as before training."""
        return reinitialised(model, seed)


def weighted_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules that own a weight of two or more dimensions, in the order they were registered.

    That is one entry a convolution, linear map or embedding: what the literature counts as a layer.
    """
    return {
        name: module
        for name, module in model.named_modules()
        if any(p.dim() >= 2 for p in module.parameters(recurse=False))
    }


def device_of(model: nn.Module) -> torch.device:
    """Return the device the model's weights lie on."""
    return next(model.parameters()).device
