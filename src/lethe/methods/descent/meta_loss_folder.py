"""A learnt loss as a folder: its sizes and identities as JSON, its weights as safetensors."""

from __future__ import annotations

import json
from pathlib import Path

from torch import nn

from lethe import models
from lethe.errors import InputError
from lethe.methods.descent.meta_loss import MetaLoss
from lethe.store import atomic, read_json

FACTS, WEIGHTS = "meta_loss.json", "model.safetensors"


def write_loss(loss: MetaLoss, folder: Path) -> None:
    """Write a loss: its sizes and identities as JSON, its weights as safetensors."""
    models.save(loss, folder)
    hidden = loss.body[0]
    assert isinstance(hidden, nn.Linear)
    facts = {
        "classes": loss.classes, "identities": list(loss.position), "width": hidden.out_features,
        "identity_width": loss.embedding.embedding_dim,
        "features": hidden.in_features - 2 * loss.classes - loss.embedding.embedding_dim,
    }  # fmt: skip
    atomic(folder / FACTS, json.dumps(facts, indent=1).encode())


def read_loss(folder: Path) -> MetaLoss:
    """Return a loss that was written.

    Raises:
        InputError: the folder holds none.
        StorageError: a file is damaged.
    """
    if not (folder / FACTS).is_file():
        raise InputError(f"{folder}: holds no {FACTS}; learn a loss with MetaUnlearn().learn(..., folder=...) first")
    facts = read_json(folder / FACTS)
    loss = MetaLoss(**facts)
    models.assign(loss, models.read_weights(folder / WEIGHTS))
    return loss.eval()
