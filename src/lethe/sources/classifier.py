"""Image classifiers from disk: a Hugging Face model folder becomes a network and the task that feeds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from lethe.models import MEMBERS, load_ensemble
from lethe.sources.checkpoint import load_checkpoint, model_of
from lethe.sources.preprocessing import Preprocessing, load_preprocessing
from lethe.tasks import Classification


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained image classifier.

    Attributes:
        network: the model, float32, in eval mode, on the CPU.
        task: how it is fed.
        preprocessing: what happens to its images before.
        channels: channels of an image.
        label2id: class name to index.
    """

    network: nn.Module
    task: Classification
    preprocessing: Preprocessing
    channels: int
    label2id: Mapping[str, int]

    @property
    def id2label(self) -> dict[int, str]:
        """Class index to name."""
        return {index: name for name, index in self.label2id.items()}


def load_classifier(source: str) -> Classifier:
    """Load a model folder, or a model of the hub by its name (`owner/name`), without running any code it brings.

    A run folder of lethe stands for the model in it.

    Raises:
        InputError: there is no such model, it is no image classifier, or its weights are missing, truncated, pickled,
            of another architecture or not finite.
    """
    source = model_of(source)
    network = load_network(source)
    settings = _settings(network)
    channels = int(settings.get("num_channels", 3))
    preprocessing = load_preprocessing(source, local=Path(source).is_dir(), channels=channels)
    task = Classification(
        classes=len(settings["id2label"]),
        input="image",
        scale=preprocessing.scale,
        mean=preprocessing.mean,
        std=preprocessing.std,
    )
    label2id = {str(name): int(index) for name, index in settings["label2id"].items()}
    return Classifier(network, task, preprocessing, channels, label2id)


def load_network(source: str) -> nn.Module:
    """Load the network alone; see `load_classifier`."""
    from transformers import AutoModelForImageClassification

    folder = model_of(source)
    if (Path(folder) / MEMBERS).exists():
        return load_ensemble(Path(folder), lambda member: load_network(str(member)))
    return load_checkpoint(folder, AutoModelForImageClassification, "image classifier")


def _settings(network: nn.Module) -> dict[str, Any]:
    config: Any = network.config
    return dict(config.to_dict())
