"""Image classifiers from disk: a Hugging Face model folder becomes a network and the task that feeds it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lethe.errors import InputError
from lethe.models import check_finite
from lethe.sources.preprocessing import Preprocessing, load_preprocessing
from lethe.store import RECORD, RunFolder
from lethe.tasks import Classification

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth", "pytorch_model.pt")
CONVERT = (
    "convert it where you trust it: AutoModelForImageClassification.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
)


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

    source = model_of(source)
    local = Path(source).is_dir()
    if local:
        _check_folder(Path(source))
    elif source.count("/") != 1 or source.startswith((".", "~", "/")):
        raise InputError(f"{source}: no such folder; give a folder with config.json and model.safetensors")
    try:
        with _silent_transformers():
            network, loading = AutoModelForImageClassification.from_pretrained(
                source,
                local_files_only=local,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError) as error:
        reason = " ".join(str(error).split())[:240]
        raise InputError(f"{source}: cannot be loaded as an image classifier ({reason})") from None
    lacking = sorted(loading["missing_keys"])
    if lacking:
        # Transformers would draw what is missing at random and go on.
        raise InputError(
            f"{source}: the weights lack '{lacking[0]}' and {len(lacking) - 1} others of a "
            f"{type(network).__name__}; give a trained image classifier"
        )
    check_finite(network, source)
    return network.eval()


def model_of(source: str) -> str:
    """Return the model folder that a run folder stands for; any other source stands for itself."""
    folder = RunFolder(Path(source))
    return str(folder.model) if (folder.path / RECORD).exists() and folder.model.is_dir() else source


def _settings(network: nn.Module) -> dict[str, Any]:
    config: Any = network.config
    return dict(config.to_dict())


def _check_folder(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    if not (folder / "config.json").exists():
        raise InputError(f"{folder}: holds no config.json; give the folder that save_pretrained wrote")
    if not any((folder / name).exists() for name in WEIGHTS):
        pickled = next((name for name in PICKLES if (folder / name).exists()), None)
        if pickled is not None:
            raise InputError(f"{folder / pickled}: a pickle can run any code and is not loaded; {CONVERT}")
        raise InputError(f"{folder}: holds no weights; give a folder with model.safetensors")
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as opened:
                opened.keys()
        except SafetensorError as error:
            raise InputError(f"{file}: not a whole safetensors file ({error}); copy it again from its source") from None


@contextlib.contextmanager
def _silent_transformers() -> Iterator[None]:
    """Keep transformers' own bars and notes off the terminal; what matters in them becomes an error of ours."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
