"""Zero-shot classification: a CLIP model that gives an image the class whose text lies nearest to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import InputError
from lethe.examples import Batch, Examples
from lethe.tasks.base import Task
from lethe.tasks.classification import Classification

TOWERS = {"vision": ("vision_model.", "visual_projection."), "language": ("text_model.", "text_projection.")}
"""How the parameters of a CLIP model of transformers are called, by tower."""


@dataclass(frozen=True, kw_only=True)
class ZeroShot(Classification):
    """Zero-shot classification with a CLIP model of transformers: logits are s · cos(image, text of class c).

    The text of an example is that of its class, unless a column holds one of its own. All metrics and methods for
    classifiers work on it.

    Args:
        texts: [C, T] tokens of the text of each class, as the model's tokenizer gives them with padding.
        attention: [C, T] 1 where a token is no padding.
        caption: name of the column with the tokens of an example's own text, [N, T]; empty for that of its class.
        caption_attention: name of the column that says which of these are no padding.
    """

    texts: Tensor = field(repr=False, compare=False)
    attention: Tensor = field(repr=False, compare=False)
    caption: str = ""
    caption_attention: str = ""

    def __post_init__(self) -> None:
        if self.texts.shape != self.attention.shape or len(self.texts) != self.classes:
            raise InputError(
                f"texts and attention have shapes {tuple(self.texts.shape)} and {tuple(self.attention.shape)}, but "
                f"each needs a row for all {self.classes} classes"
            )

    def images(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """Return the embeddings of normalised images, of length 1, [B, D]."""
        clip: Any = model
        seen = clip.vision_model(pixel_values=inputs).pooler_output
        return F.normalize(clip.visual_projection(seen), dim=-1)

    def written(self, model: nn.Module, tokens: Tensor, attention: Tensor) -> Tensor:
        """Return the embeddings of texts, of length 1, [B, D]."""
        clip: Any = model
        read = clip.text_model(input_ids=tokens.long(), attention_mask=attention.long()).pooler_output
        return F.normalize(clip.text_projection(read), dim=-1)

    def logits(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """Return s · cos(image, text of c), [B, C], s the model's own scale."""
        clip: Any = model
        classes = self.written(model, self.texts.to(inputs.device), self.attention.to(inputs.device))
        scores: Tensor = clip.logit_scale.exp() * self.images(model, inputs) @ classes.T
        return scores

    def pairs(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the embeddings of images and of the texts that belong to them, two of [B, D], of length 1."""
        images = self.images(model, self.normalise(self.pixels(batch)))
        if self.caption:
            tokens, attention = batch.tensor(self.caption), batch.tensor(self.caption_attention)
        else:
            labels = self.labels(batch).cpu()
            tokens, attention = (x.cpu()[labels].to(images.device) for x in (self.texts, self.attention))
        return images, self.written(model, tokens, attention)

    def pair_losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return 1 - cos(image, its text) of each example, [B] in [0, 2]."""
        images, texts = self.pairs(model, batch)
        return 1 - (images * texts).sum(-1)

    def contrastive_loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss CLIP is trained with: the mean of both cross-entropies over the pairs of a batch, a scalar.

        It depends on which examples share a batch, and on how many.
        """
        clip: Any = model
        images, texts = self.pairs(model, batch)
        scores = clip.logit_scale.exp() * images @ texts.T
        own = torch.arange(len(scores), device=scores.device)
        return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2

    def head(self, model: nn.Module) -> nn.Module:
        """Return the projection of images into the common space.

        Raises:
            InputError: the model has none.
        """
        modules = dict(model.named_modules())
        name = self.head_name or "visual_projection"
        if name not in modules:
            raise InputError(f"{type(model).__name__} has no '{name}'; give a CLIP model of transformers")
        return modules[name]

    def check(self, examples: Examples, what: str) -> None:
        """Raise InputError where a label or input is wrong, or an own text is not there."""
        super().check(examples, what)
        for column in (self.caption, self.caption_attention) if self.caption else ():
            examples.tensor(column)


def towers(task: Task, names: list[str]) -> dict[str, list[str]]:
    """Return the parameters of each part of a model that is searched apart: both towers of CLIP, else all of them."""
    if not isinstance(task, ZeroShot):
        return {"model": names}
    return {tower: [name for name in names if name.startswith(prefixes)] for tower, prefixes in TOWERS.items()}
