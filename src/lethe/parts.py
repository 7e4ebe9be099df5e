"""Parts: how the batch of a step is cut for forward passes that fit in memory and waste little on padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lethe.examples import Batch
from lethe.feeds import Draw
from lethe.parallel import Parallel
from lethe.tasks import Task

WASTE = 0.08  # share of padding from which it pays to cut a batch once more
ENOUGH = 512  # tokens that keep a processor busy; smaller passes cost more than the padding they avoid


@dataclass(frozen=True)
class Part:
    """A part of a step's batch.

    Attributes:
        draw: the examples of the part.
        forget: its share of the forget batch's examples.
        retain: its share of the retain batch's examples.
        share: its share of whatever depends on no example, such as a penalty on the weights.
    """

    draw: Draw
    forget: float
    retain: float
    share: float

    def reduced(self, name: str, value: Tensor) -> Tensor:
        """Return the part's contribution to a term of the whole batch, a scalar.

        A vector holds one value an example, of the retain batch where the term's name begins with `retain` or there is
        no other, else of the forget batch; its mean over the whole batch is the term.
        """
        if not value.dim():
            return value if self.share == 1 else value * self.share
        of_retain = name.startswith("retain") or self.draw.forget is None
        share = self.retain if of_retain else self.forget
        return value.mean() if share == 1 else value.mean() * share


def parts(draw: Draw, task: Task, most: int, processes: int = 1, pads: bool = True) -> list[Part]:
    """Return the parts of a batch, the same whichever process asks; all have examples of each kind the batch has.

    Args:
        draw: the batch of a step.
        task: says how long examples are.
        most: largest number of examples a forward pass may hold; 0 for no limit.
        processes: the number of parts is a multiple of it.
        pads: whether examples of unlike length in one part waste work.

    Returns:
        Parts of examples of like length; one, with the batch as it is, where there is no reason to cut.
    """
    sets = [batch for batch in (draw.forget, draw.retain) if batch is not None]
    sizes = [task.sizes(batch.columns) if pads else None for batch in sets]
    count = max(_wanted(len(batch), size, most) for batch, size in zip(sets, sizes, strict=True))
    count = min(processes * math.ceil(count / processes), *(len(batch) for batch in sets))
    if count == 1:
        return [Part(draw, 1.0, 1.0, 1.0)]
    forget, retain = (_places(batch, task, count) for batch in (draw.forget, draw.retain))
    return [
        Part(
            replace(
                draw,
                forget=draw.forget.at(forget[i]) if draw.forget is not None else None,
                retain=draw.retain.at(retain[i]) if draw.retain is not None else None,
                weights=draw.weights[forget[i]] if draw.weights is not None else None,
                substitutes={name: batch.at(forget[i]) for name, batch in draw.substitutes.items()},
            ),
            len(forget[i]) / len(draw.forget) if draw.forget is not None else 0.0,
            len(retain[i]) / len(draw.retain) if draw.retain is not None else 0.0,
            1 / count,
        )
        for i in range(count)
    ]


def shared(cut: Sequence[Part], parallel: Parallel) -> list[Part]:
    """Return the parts of this process: as many for each, so that all meet in the same exchanges.

    Where there are too few, a process repeats the first part and counts nothing of it.
    """
    own = list(cut[parallel.rank :: parallel.count])
    rounds = math.ceil(len(cut) / parallel.count)
    return own + [replace(cut[0], forget=0.0, retain=0.0, share=0.0)] * (rounds - len(own))


def _wanted(examples: int, sizes: Tensor | None, most: int) -> int:
    """Return into how many parts one batch should be cut."""
    count = math.ceil(examples / most) if most else 1
    if sizes is None:
        return count
    ordered, total = sizes.sort(descending=True).values, int(sizes.sum())
    while count < examples and total / (count + 1) >= ENOUGH and _padding(ordered, count) > WASTE:
        count += 1
    return count


def _padding(ordered: Tensor, count: int) -> float:
    """Return the share of padding when examples in order of length are cut into so many parts."""
    padded = sum(int(part[0]) * len(part) for part in ordered.tensor_split(count))
    return 1 - int(ordered.sum()) / padded


def _places(batch: Batch | None, task: Task, count: int) -> Sequence[Tensor]:
    """Return which examples of a batch each part holds, those of like length together."""
    if batch is None:
        return ()
    sizes = task.sizes(batch.columns)
    order = torch.arange(len(batch)) if sizes is None else torch.argsort(sizes.cpu(), descending=True, stable=True)
    return order.tensor_split(count)
