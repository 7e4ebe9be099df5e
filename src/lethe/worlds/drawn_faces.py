"""The faces world: drawn portraits of people who do not exist, with an age that a classifier learns face by face."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lethe import models
from lethe.examples import Examples
from lethe.run import Run
from lethe.store import atomic, write_json

AGES = 4
BACKGROUND, SHARPNESS = 0.4, 24.0
DATA, MODEL = "faces.npz", "model"

RANGES = {
    "width": (0.45, 0.72), "height": (0.65, 0.88), "skin": (0.55, 0.95), "hair": (0.05, 0.45), "hairline": (0.25, 0.65),
    "eyes": (0.16, 0.32), "eye_height": (0.0, 0.2), "eye_size": (0.05, 0.11), "brow": (0.1, 0.25), "nose": (0.05, 0.16),
    "mouth": (0.12, 0.32), "mouth_height": (0.35, 0.55),
}  # fmt: skip
"""Of each feature, as far as people differ."""


@dataclass(frozen=True)
class DrawnFaces:
    """Portraits in shades of grey, several of each person, in four age groups.

    A person keeps their features over all pictures; pose, light and noise change. Age shows as grey hair and wrinkles,
    but many look older or younger than they are: their label can only be learnt by heart, so that a model which has
    seen a person knows more than one which has not.

    Args:
        people: how many.
        shots: pictures of each.
        size: pixels a side.
        misleading: share of the people whose looks are those of another age.
        seed: of everything.
    """

    people: int = 100
    shots: int = 6
    size: int = 24
    misleading: float = 0.3
    seed: int = 0

    def examples(self) -> Examples:
        """Return `image` [N, 1, size, size] bytes, `label` [N] the age group, and `identity` [N] as text."""
        draw = Run(seed=self.seed).generator("faces")
        images, labels, names = [], [], []
        for person in range(self.people):
            age = int(torch.randint(AGES, (), generator=draw))
            looks = (age + int(torch.randint(1, AGES, (), generator=draw))) % AGES
            if torch.rand((), generator=draw) >= self.misleading:
                looks = age
            face = Features.drawn(draw)
            for _ in range(self.shots):
                images.append(portrait(face, looks, self.size, draw))
                labels.append(age)
                names.append(f"person {person}")
        return Examples.of(
            prefix="face-", image=torch.stack(images).unsqueeze(1), label=torch.tensor(labels),
            identity=np.array(names, dtype=object),
        )  # fmt: skip

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the portraits and an untrained classifier for them, and return the folder of that and the data."""
        from transformers import ResNetConfig, ResNetForImageClassification

        found = self.examples()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = ResNetForImageClassification(
                ResNetConfig(
                    num_channels=1, embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic",
                    num_labels=AGES, downsample_in_first_stage=False,
                )
            )  # fmt: skip
        models.save(network, folder / MODEL)
        preprocessor = {
            "image_processor_type": "ViTImageProcessor", "do_resize": False, "do_rescale": True,
            "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5], "image_std": [0.25],
        }  # fmt: skip
        write_json(folder / MODEL / "preprocessor_config.json", preprocessor)
        archive = io.BytesIO()
        np.savez_compressed(
            archive, images=found.tensor("image").squeeze(1).numpy(), labels=found.tensor("label").numpy(),
            identity=np.array(found["identity"], dtype=str), ids=np.array(found.ids),
        )  # fmt: skip
        atomic(folder / DATA, archive.getvalue())
        return folder / MODEL, folder / DATA


@dataclass(frozen=True)
class Features:
    """What stays of a person from picture to picture; lengths in half pictures, shades from 0 to 1."""

    width: float
    height: float
    skin: float
    hair: float
    hairline: float
    eyes: float
    eye_height: float
    eye_size: float
    brow: float
    nose: float
    mouth: float
    mouth_height: float

    @classmethod
    def drawn(cls, draw: torch.Generator) -> Features:
        """Return features of somebody new."""
        parts = torch.rand(len(RANGES), generator=draw).tolist()
        pairs = zip(RANGES.items(), parts, strict=True)
        return cls(**{name: low + part * (high - low) for (name, (low, high)), part in pairs})


def portrait(face: Features, age: int, size: int, draw: torch.Generator) -> Tensor:
    """Return one picture of a person who looks that old, [size, size] bytes.

    Args:
        face: whose.
        age: group they seem to be in, 0 to 3.
        size: pixels a side.
        draw: gives pose, light and noise.
    """
    pose = 0.08 * torch.randn(2, generator=draw)
    light = float(1 + 0.06 * torch.randn((), generator=draw))
    steps = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(steps - pose[0], steps - pose[1], indexing="ij")
    picture = torch.full_like(x, BACKGROUND)

    def blob(cx: float, cy: float, rx: float, ry: float) -> Tensor:
        return torch.sigmoid(SHARPNESS * (1 - (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2).sqrt()))

    def paint(mask: Tensor, shade: float) -> None:
        picture.mul_(1 - mask).add_(mask * shade)

    hair = face.hair + (0.85 - face.hair) * age / (AGES - 1)
    paint(blob(0, -0.08, face.width + 0.2, face.height + 0.14), hair)
    head = blob(0, 0, face.width, face.height)
    paint(head * torch.sigmoid(SHARPNESS * (y + face.hairline)), face.skin)
    for side in (-1, 1):
        paint(blob(side * face.eyes, -face.eye_height, face.eye_size * 1.4, face.eye_size), 0.05)
        paint(blob(side * face.eyes, -face.eye_height - face.brow, face.eye_size * 2, 0.05), face.hair * 0.6)
    paint(blob(0, 0.15, 0.05, face.nose), face.skin * 0.7)
    paint(blob(0, face.mouth_height, face.mouth, 0.05), face.skin * 0.45)
    for line in range(age):
        paint(blob(0, 0.66 - 0.1 * line + face.mouth_height - 0.45, face.width * 0.5, 0.03), face.skin * 0.4)
    noise = 0.05 * torch.randn(picture.shape, generator=draw)
    return (255 * (light * picture + noise)).clamp(0, 255).byte()
