"""Checkpoints of transformers, whatever kind of model they hold: checked, loaded without running code, and whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn

from lethe.errors import InputError
from lethe.models import MEMBERS, check_finite
from lethe.store import RECORD, RunFolder

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth", "pytorch_model.pt")

# Whatever transformers, peft and datasets raise on files that are not what they should be.
UNREADABLE = (
    *(OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError),
    StrictDataclassError,
)


def model_of(source: str) -> str:
    """Return the model folder that a run folder stands for; any other source stands for itself."""
    folder = RunFolder(Path(source))
    return str(folder.model) if (folder.path / RECORD).exists() and folder.model.is_dir() else source


def load_checkpoint(source: str, loader: Any, what: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Load the network of a model folder, or of a model of the hub, in eval mode on the CPU.

    Args:
        source: folder, or `owner/name` on the hub.
        loader: the auto class of transformers, such as AutoModelForCausalLM.
        what: what it loads, for messages: "image classifier".
        dtype: type of the weights.

    Raises:
        InputError: there is no such model, or its weights are missing, truncated, pickled, of another architecture or
            not finite.
    """
    local = check_source(source)
    if local:
        check_weights(Path(source), loader.__name__)
    try:
        with quiet_libraries():
            network, loading = loader.from_pretrained(
                source,
                local_files_only=local,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
            )
    except UNREADABLE as error:
        raise InputError(f"{source}: cannot be loaded as {_a(what)} ({shortened(error)})") from None
    lacking = sorted(loading["missing_keys"])
    if lacking:
        # Transformers would draw what is missing at random and go on.
        raise InputError(
            f"{source}: the weights lack '{lacking[0]}' and {len(lacking) - 1} others of a "
            f"{type(network).__name__}; give a trained {what}"
        )
    check_finite(network, source)
    return network.eval()


def check_source(source: str) -> bool:
    """Return whether the source is a folder; raises InputError where it is neither that nor a name of the hub."""
    if Path(source).is_dir():
        return True
    if source.count("/") != 1 or source.startswith((".", "~", "/")):
        raise InputError(f"{source}: no such folder; give a folder with config.json and model.safetensors")
    return False


def check_config(folder: Path) -> None:
    """Raise InputError where the folder is not one that save_pretrained wrote."""
    if not (folder / CONFIG).exists():
        if (folder / MEMBERS).exists():
            raise InputError(f"{folder}: is an ensemble; give one of its members, as {folder}/0, or the original")
        raise InputError(f"{folder}: holds no {CONFIG}; give the folder that save_pretrained wrote")


def check_weights(folder: Path, loader: str) -> None:
    """Raise InputError where the folder holds no weights, pickled ones, or a file that is not whole."""
    check_config(folder)
    if not any((folder / name).exists() for name in WEIGHTS):
        pickled = next((name for name in PICKLES if (folder / name).exists()), None)
        if pickled is not None:
            raise InputError(
                f"{folder / pickled}: a pickle can run any code and is not loaded; convert it where you trust it: "
                f"{loader}.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
            )
        raise InputError(f"{folder}: holds no weights; give a folder with model.safetensors")
    check_whole(folder)


def check_whole(folder: Path) -> None:
    """Raise InputError where a safetensors file of the folder is damaged."""
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as opened:
                opened.keys()
        except SafetensorError as error:
            raise InputError(f"{file}: not a whole safetensors file ({error}); copy it again from its source") from None


def shortened(error: Exception, length: int = 240) -> str:
    """Return what a library said, on one line."""
    return " ".join(str(error).split())[:length]


def _a(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the libraries' own bars and notes off the terminal; what matters in them becomes an error of ours."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    level, hub_level, bars = logging.get_verbosity(), hub.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    hub.set_verbosity(logging.ERROR)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        hub.set_verbosity(hub_level)
        if bars:
            logging.enable_progress_bar()
