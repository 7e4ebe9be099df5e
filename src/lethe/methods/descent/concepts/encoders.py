"""Encoders: what embeds images, and the concepts known in its space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.hooks import reading
from lethe.measuring import EVALUATION_BATCH, evaluation
from lethe.methods.descent.concepts.bank import ConceptBank, activation_vectors, flags_of
from lethe.run import Run
from lethe.tasks import Classification

Encode = Callable[[Tensor], Tensor]
"""Pixels [B, channels, h, w] of any size to embeddings [B, D]."""


@dataclass(frozen=True, eq=False)
class Concepts:
    """An encoder of images, and a bank of concepts in its space."""

    encode: Encode
    bank: ConceptBank


def embedded(encode: Encode, pixels: Tensor, run: Run, label: str) -> Tensor:
    """Return the embeddings of images on the CPU, [N, D], a batch at a time."""
    found = []
    with run.progress.bar(label, len(pixels)) as bar:
        for part in pixels.split(EVALUATION_BATCH):
            run.interrupt_point()
            found.append(encode(part.to(run.device)).float().cpu())
            run.cost.examples += len(part)
            bar.advance(len(part))
    return torch.cat(found)


def own_features(model: nn.Module, task: Classification, side: tuple[int, int]) -> Encode:
    """Return the features that enter the classifier's head; a smaller image stands in the middle of its own mean.

    Enlarged, as CLIP sees it, it would show a classifier shapes of a size that it has never seen.
    """
    head = task.head(model)

    def encode(pixels: Tensor) -> Tensor:
        top, left = ((whole - part) // 2 for whole, part in zip(side, pixels.shape[2:], strict=True))
        canvas = pixels.mean((2, 3), keepdim=True).expand(-1, -1, *side).clone()
        canvas[:, :, top : top + pixels.shape[2], left : left + pixels.shape[3]] = pixels
        pixels = canvas
        with evaluation(model), reading({"head": head}, "input") as seen:
            task.logits(model, task.normalise(pixels))
        return seen["head"].flatten(1)

    return encode


def learnt_concepts(
    encode: Encode, pixels: Tensor, examples: Examples, column: str, names: Sequence[str], run: Run
) -> Concepts:
    """Return concepts learnt from examples that show them, in an encoder's space.

    Args:
        encode: the encoder.
        pixels: [N, channels, h, w] of the examples.
        examples: the examples.
        column: says which of them show what, see `flags_of`.
        names: what the concepts are called.
        run: draws the examples.
    """
    called, flags = flags_of(examples, column, names)
    embeddings = embedded(encode, pixels, run, "embeddings")
    return Concepts(encode, activation_vectors(embeddings, flags, called, run.generator("concepts")))


def written_concepts(folder: str, words: Sequence[str], run: Run) -> Concepts:
    """Return concepts by their words, in the space of a CLIP model of transformers.

    Args:
        folder: folder or hub name of the model, with its tokenizer and the preprocessing of its images.
        words: what the concepts are called, as `antler` or `long ears`.
        run: says where the model works.

    Raises:
        InputError: there is no such model, or it is none.
        ConfigurationError: there are no words.
    """
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    if not words:
        raise ConfigurationError("a CLIP model knows concepts by words; name some with words=...")
    try:
        clip: Any = CLIPModel.from_pretrained(folder).eval().to(run.device)
        tokenizer, processor = AutoTokenizer.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: holds no CLIP model with tokenizer and preprocessing ({error})") from None
    mean, std = (
        torch.tensor(values, device=run.device).view(1, -1, 1, 1)
        for values in (processor.image_mean, processor.image_std)
    )
    side = clip.config.vision_config.image_size

    def encode(pixels: Tensor) -> Tensor:
        # A model of three channels sees grey images in all of them.
        seen = pixels.expand(-1, clip.config.vision_config.num_channels, -1, -1)
        seen = (F.interpolate(seen, size=(side, side), mode="bilinear", align_corners=False) - mean) / std
        with torch.no_grad():
            return F.normalize(clip.visual_projection(clip.vision_model(pixel_values=seen).pooler_output), dim=-1)

    tokens = tokenizer(list(words), padding=True, return_tensors="pt").to(run.device)
    with torch.no_grad():
        read = clip.text_model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).pooler_output
        vectors = F.normalize(clip.text_projection(read), dim=-1).cpu()
    return Concepts(encode, ConceptBank(tuple(words), vectors))
