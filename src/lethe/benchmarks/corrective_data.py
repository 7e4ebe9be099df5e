"""Manipulated data: triggers, exchanged and swapped labels on some training images, and which of these were found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.run import Run

Manipulation = Literal["poison", "confusion", "swap"]
POISONED_LABEL = 0


@dataclass(frozen=True, eq=False)
class Manipulated:
    """Training data some of which was manipulated.

    Attributes:
        data: all of it, as the target sees it.
        labels: [N] the true labels.
        rows: S_m, positions of what was manipulated, in ascending order.
        found: S_f, positions of what is known to be, a part of S_m in ascending order.
    """

    data: Examples
    labels: Tensor
    rows: Tensor
    found: Tensor

    @property
    def hidden(self) -> Tensor:
        """Positions of what was manipulated and not found."""
        return self.rows[~torch.isin(self.rows, self.found)]

    @property
    def retained(self) -> Examples:
        """Everything that is not known to be manipulated."""
        kept = torch.ones(len(self.data), dtype=torch.bool)
        kept[self.found] = False
        return self.data.take(kept.nonzero().flatten())

    def with_true_labels(self, rows: Tensor) -> Examples:
        """Return the manipulated images at these positions with their true labels."""
        some = self.data.take(rows)
        return replace(some, columns={**some.columns, "label": self.labels[rows]})


def manipulate(
    train: Examples,
    manipulation: Manipulation,
    count: int,
    identified: float,
    classes: tuple[int, ...] = (3, 5),
    patch: int = 3,
    seed: int = 0,
) -> Manipulated:
    """Return the data with `count` manipulated examples, a share of which is identified.

    Args:
        train: images `image` [N, C, H, W] and labels `label` [N].
        manipulation: `poison`, `confusion` or `swap`.
        count: |S_m|, rounded down to an even number for `confusion`.
        identified: γ, the share of S_m in S_f; at least one example is.
        classes: the two whose labels are exchanged by `confusion`.
        patch: side of the trigger.
        seed: of all draws; the same seed draws the same S_m, and S_f of a smaller γ is a part of that of a larger one.

    Raises:
        ConfigurationError: there are not so many examples, or fewer than that of one of the classes.
    """
    labels = train.tensor("label").long()
    run = Run(seed=seed)
    rows = _chosen(labels, manipulation, count, classes, run)
    order = torch.randperm(len(rows), generator=run.generator("corrective", "identified"))
    found = rows[order[: max(1, round(identified * len(rows)))]].sort().values
    changed = labels.clone()
    images = train.tensor("image")
    if manipulation == "poison":
        changed[rows] = POISONED_LABEL
        images = images.clone()
        images[rows] = triggered(train.take(rows), patch).tensor("image")
    elif manipulation == "confusion":
        first, second = classes
        changed[rows] = torch.where(labels[rows] == first, second, first)
    else:
        # Each gets the label of the next in a random order.
        order = torch.randperm(len(rows), generator=run.generator("corrective", "swap"))
        changed[rows[order]] = labels[rows[order.roll(1)]]
    data = replace(train, columns={**train.columns, "image": images, "label": changed})
    return Manipulated(data, labels, rows, found)


def triggered(examples: Examples, patch: int) -> Examples:
    """Return the images with a bright square of `patch` pixels in the lower right corner, labels as they are.

    Raises:
        InputError: the images are smaller than the patch.
    """
    images = examples.tensor("image")
    if min(images.shape[-2:]) < patch:
        raise InputError(
            f"images of {tuple(images.shape[-2:])} pixels have no room for a trigger of {patch}; lower patch"
        )
    marked = images.clone()
    marked[..., -patch:, -patch:] = 255 if images.dtype == torch.uint8 else images.max()
    return replace(examples, columns={**examples.columns, "image": marked})


def of_classes(examples: Examples, classes: tuple[int, ...], others: bool = False) -> Examples:
    """Return the examples of some classes, or of all others."""
    inside = torch.isin(examples.tensor("label"), torch.tensor(classes))
    return examples.take((inside != others).nonzero().flatten())


def _chosen(labels: Tensor, manipulation: Manipulation, count: int, classes: tuple[int, ...], run: Run) -> Tensor:
    if manipulation == "confusion":
        each = count // 2
        parts = [(labels == one).nonzero().flatten() for one in classes]
        for one, part in zip(classes, parts, strict=True):
            if not 0 < each <= len(part):
                raise ConfigurationError(
                    f"manipulated={count} takes {each} images of class {one}, and there are {len(part)}; choose another"
                )
        return torch.cat([part[:each] for part in parts]).sort().values
    if count >= len(labels):
        raise ConfigurationError(f"manipulated={count} is not less than the {len(labels)} training images; take fewer")
    return torch.randperm(len(labels), generator=run.generator("corrective", "manipulated"))[:count].sort().values
