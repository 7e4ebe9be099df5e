"""Untrained image classifiers as folders, and digits as an archive with a test split."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from lethe import models


def write_classifier(folder: Path, size: int, classes: int, channels: int = 1, seed: int = 0) -> None:
    """Write an untrained ResNet of transformers with the preprocessing that takes bytes to [0, 1]."""
    from transformers import ResNetConfig, ResNetForImageClassification, ViTImageProcessor

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResNetForImageClassification(
            ResNetConfig(
                num_channels=channels, embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic",
                num_labels=classes, downsample_in_first_stage=False,
            )
        )  # fmt: skip
    models.save(network, folder)
    mean, std = [0.5] * channels, [0.25] * channels
    ViTImageProcessor(size={"height": size, "width": size}, image_mean=mean, image_std=std).save_pretrained(folder)


@cache
def digit_arrays() -> dict[str, np.ndarray]:
    """Return scikit-learn's digits as bytes, 1200 to train and 597 to test on."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = (found.images * 255 / 16).astype(np.uint8)
    return {
        "train_images": images[:1200], "train_labels": found.target[:1200],
        "test_images": images[1200:], "test_labels": found.target[1200:],
    }  # fmt: skip


def write_digits(path: Path) -> None:
    """Write the digits as an archive."""
    np.savez(path, **digit_arrays())


def write_real_faces(path: Path) -> None:
    """Write the public faces, made smaller; what is asked is drawn for each person, to be learnt by heart."""
    folder = os.environ.get("LETHE_DATA")
    if not folder:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    with np.load(next((Path(folder) / "orl_faces").glob("*.npz"))) as arrays:
        label = np.random.RandomState(0).randint(2, size=31)[arrays["subject"]]
        np.savez(path, images=arrays["images"][:, ::4, ::4], labels=label, identity=arrays["subject"])
