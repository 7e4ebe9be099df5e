"""A problem so small that every check runs on it in a moment, with all that makes real ones difficult."""

from __future__ import annotations

import copy
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.examples import Examples, concatenate
from lethe.problem import Problem
from lethe.tasks import Classification
from lethe.worlds.base import Training, fit
from lethe.worlds.digits import load_digits

CLASSES = 10
FORGET, RETAIN, HOLDOUT = 24, 120, 60
TASK = Classification(classes=CLASSES, input="image", scale=1 / 16)
RECIPE = Training(epochs=40, batch_size=32, learning_rate=1e-2)


class TinyCNN(nn.Module):
    """A convolution with batch norm, dropout and two linear layers: buffers to protect and randomness to repeat."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.1)
        self.hidden = nn.Linear(4 * 4 * 4, 32)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits, [B, CLASSES]."""
        x = F.max_pool2d(F.relu(self.norm(self.conv(pixels))), 2).flatten(1)
        return self.head(self.dropout(F.relu(self.hidden(x))))


def tiny_problem() -> Problem:
    """Return a problem of 144 real digits, 24 of them mislabelled and to be forgotten, with two gold models.

    The models are trained in this process, in well under a second each, and only once; every call returns copies,
    so that a check that spoils one spoils no other.
    """
    return copy.deepcopy(_trained_problem())


@cache
def _trained_problem() -> Problem:
    digits = load_digits()
    order = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(digits), generator=order)[: FORGET + RETAIN + HOLDOUT]
    forget, retain, holdout = (digits.take(part) for part in rows.split([FORGET, RETAIN, HOLDOUT]))
    shift = torch.randint(1, CLASSES, (FORGET,), generator=order)
    forget = forget.with_column("label", (forget.tensor("label") + shift) % CLASSES)
    return Problem(
        model=_train(concatenate(retain, forget), 0), task=TASK, forget=forget, retain=retain, holdout=holdout,
        retrain=_train, gold=(_train(retain, 1), _train(retain, 2)),
    )  # fmt: skip


def _train(examples: Examples, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = TinyCNN()
    return fit(model, TASK, examples, RECIPE, seed).eval()
