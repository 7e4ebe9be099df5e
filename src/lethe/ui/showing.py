"""Showing examples: images as small PNGs, texts as they are, numbers as numbers."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lethe.examples import Examples
from lethe.tasks import CausalLM, Classification, Task
from lethe.ui.schema import Example

LONGEST_SIDE, SMALLEST_SIDE, MOST_VALUES = 96, 32, 64


def examples_of(task: Task, sets: Mapping[str, Examples], rows: Sequence[int]) -> Iterator[Example]:
    """Yield what the models were shown, row by row.

    Args:
        task: how it was fed.
        sets: the shown examples, laid end to end.
        rows: in ascending order.
    """
    start, wanted = 0, np.asarray(rows)
    for examples in sets.values():
        own = wanted[(wanted >= start) & (wanted < start + len(examples))]
        batch = examples.batch(torch.from_numpy(own - start))
        if isinstance(task, Classification):
            pixels = task.pixels(batch)
            yield from (_numbers(int(row), values) for row, values in zip(own, pixels, strict=True))
        elif isinstance(task, CausalLM):
            wrong = batch.columns.get("perturbed_answer", [None] * len(own))
            for row, prompt, answer, others in zip(own, batch["prompt"], batch["answer"], wrong, strict=True):
                yield Example(int(row), prompt=str(prompt), answer=str(answer), wrong=[str(o) for o in others or ()])
        start += len(examples)


def _numbers(row: int, values: Tensor) -> Example:
    if values.dim() == 3 and values.shape[0] in (1, 3):
        return Example(row, image=png(values))
    return Example(row, values=[float(value) for value in values.flatten()[:MOST_VALUES]])


def png(pixels: Tensor) -> str:
    """Return an image [1 or 3, H, W] in pixel space [0, 1] as a data URI, made larger or smaller to a handy size.

    >>> png(torch.zeros(1, 8, 8))[:22]
    'data:image/png;base64,'
    """
    array = (pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    longest = max(image.size)
    if longest > LONGEST_SIDE:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    elif longest < SMALLEST_SIDE:
        factor = -(-SMALLEST_SIDE // longest)
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
