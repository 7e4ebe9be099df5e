"""Trained models of the small worlds, kept by the content of their recipe so that each is trained once a machine."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lethe import models
from lethe.errors import StorageError
from lethe.store import digest, read_json, write_json

FORMAT = 2
TIMING = "training.json"


def cache_folder() -> Path:
    """Return where trained worlds are kept: $LETHE_CACHE, else ~/.cache/lethe."""
    return Path(os.environ.get("LETHE_CACHE") or Path.home() / ".cache" / "lethe")


def cached_model(
    recipe: Mapping[str, Any], untrained: Callable[[], nn.Module], train: Callable[[], nn.Module]
) -> tuple[nn.Module, float]:
    """Return the trained model of a recipe, from the cache or trained now, and the seconds its training took.

    Args:
        recipe: everything the weights depend on, hashes of the data included, as plain data.
        untrained: makes the architecture to load weights into.
        train: trains the model.

    A damaged cache entry is trained anew; two processes that want the same model train it once.
    """
    key = digest({**recipe, "format": FORMAT, "torch": torch.__version__.split("+")[0]})
    folder = cache_folder() / "worlds" / key
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / models.WEIGHTS).exists():
            try:
                return models.load_weights(untrained(), folder).eval(), read_json(folder / TIMING)["seconds"]
            except StorageError:
                pass  # truncated by a full disk, say: train it again
        start = time.perf_counter()
        model = train().eval()
        seconds = time.perf_counter() - start
        write_json(folder / TIMING, {"seconds": seconds})
        models.save(model, folder)
        return model, seconds
