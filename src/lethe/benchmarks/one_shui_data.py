"""The split of 1-SHUI: people for training, validation and test, and the one image of each who asks to be forgotten."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from lethe.errors import ConfigurationError
from lethe.run import Run

PARTS = ("support", "forget", "retain", "holdout", "test")
SIDES = ("train", "holdout", "test")
LEAST, LEAST_ALONE = 2, 6
"""The fewest images of somebody to forget; of a single person more, so that an accuracy can be told."""


def split_one_shot(
    people: Sequence[str], count: int, shares: Sequence[float], seed: int, limit: int = 0
) -> dict[str, list[int]]:
    """Return the rows of the images that are shown, to forget, to retain, of the holdout, and for test.

    Nobody is in two of the sets, save that one image of each person to forget is shown and the others are to be
    forgotten. The people to forget for a smaller count are among those for a larger one.

    Args:
        people: [N] who is seen in each row.
        count: people to forget.
        shares: of the images, to train on, for the holdout, and for test; people are never parted.
        seed: of the draw.
        limit: most people that are taken, at random; 0 takes all.

    Raises:
        ConfigurationError: a set would be empty, or too few people have enough images.
    """
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(people):
        rows.setdefault(name, []).append(row)
    names, run = sorted(rows), Run(seed=seed)
    order = [names[i] for i in torch.randperm(len(names), generator=run.generator("identities")).tolist()]
    sides = _sides(order[:limit] if limit else order, rows, shares)
    least = LEAST_ALONE if count == 1 else LEAST
    able = [name for name in sides["train"] if len(rows[name]) >= least]
    if len(able) < count or len(sides["train"]) == count:
        raise ConfigurationError(
            f"{count} people to forget are too many: {len(able)} of the {len(sides['train'])} to train on have {least} "
            "images or more, and somebody has to be retained; lower people"
        )
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    draw = run.generator("shown")
    for name in able[:count]:
        shown = rows[name][int(torch.randint(len(rows[name]), (1,), generator=draw))]
        parts["support"].append(shown)
        parts["forget"] += [row for row in rows[name] if row != shown]
    parts["retain"] = [row for name in sides["train"] if name not in able[:count] for row in rows[name]]
    parts |= {side: [row for name in sides[side] for row in rows[name]] for side in SIDES[1:]}
    return {part: sorted(some) for part, some in parts.items()}


def _sides(order: Sequence[str], rows: Mapping[str, Sequence[int]], shares: Sequence[float]) -> dict[str, list[str]]:
    """Cut the people in three by their shares of the images: each is where the middle of their images falls."""
    if len(shares) != len(SIDES) or min(shares) <= 0 or not math.isclose(sum(shares), 1):
        raise ConfigurationError(f"shares must be three positive numbers that add up to 1, not {tuple(shares)}")
    total, before = sum(len(rows[name]) for name in order), 0
    sides: dict[str, list[str]] = {side: [] for side in SIDES}
    for name in order:
        middle = (before + len(rows[name]) / 2) / total
        sides[SIDES[(middle > shares[0]) + (middle > shares[0] + shares[1])]].append(name)
        before += len(rows[name])
    for side, some in sides.items():
        if not some:
            raise ConfigurationError(f"{len(order)} people are too few for three sets: nobody is left for {side}")
    return sides
