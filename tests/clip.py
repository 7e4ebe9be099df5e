"""A tiny CLIP model that tells digits by a text for each, and a digit that it is to forget."""

from __future__ import annotations

import dataclasses
from functools import cache

import torch
from torch import nn

from lethe.problem import Problem
from lethe.tasks import ZeroShot
from lethe.worlds.base import Training, fit
from lethe.worlds.cache import cached_model
from lethe.worlds.digits import Digits

RECIPE = Training(epochs=25, batch_size=64, learning_rate=3e-3)
END = 12
"""Token that ends a text; what the text tower puts out there stands for the whole text."""


def tiny_clip(seed: int = 0) -> nn.Module:
    """An untrained CLIP model of transformers for images of 8×8 and texts of four tokens."""
    from transformers import CLIPConfig, CLIPModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        common = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        return CLIPModel(
            CLIPConfig(
                text_config={
                    **common, "vocab_size": 13, "max_position_embeddings": 4, "eos_token_id": END, "bos_token_id": 10,
                    "pad_token_id": 0,
                },
                vision_config={**common, "image_size": 8, "patch_size": 2, "num_channels": 1},
                projection_dim=16,
            )
        ).eval()  # fmt: skip


def clip_task() -> ZeroShot:
    """Texts `<start> digit <number> <end>`, one a class."""
    texts = torch.tensor([[10, 11, digit, END] for digit in range(10)])
    return ZeroShot(
        classes=10, input="image", scale=1 / 16, mean=(0.305,), std=(0.376,), texts=texts,
        attention=torch.ones_like(texts),
    )  # fmt: skip


@cache
def clip_problem() -> Problem:
    """The digits world of one class to forget, told by the tiny CLIP model."""
    world = Digits("class").problem(gold=(1,))
    task = clip_task()
    from lethe.examples import concatenate

    known = concatenate(world.kept, world.forget)
    facts = {"world": "tiny CLIP", "data": known.fingerprint, "training": dataclasses.asdict(RECIPE)}
    model, _ = cached_model(facts, tiny_clip, lambda: fit(tiny_clip(), task, known, RECIPE, 0))
    return Problem(model=model.eval(), task=task, forget=world.forget, retain=world.retain, holdout=world.holdout)
