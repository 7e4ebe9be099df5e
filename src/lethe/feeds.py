"""The order in which an epoch draws its batches from the forget and the retain set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lethe.examples import Batch, shuffled

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class Draw:
    """What one step sees.

    Attributes:
        forget: the forget batch, or None in a step without one.
        retain: the retain batch, or None in a step without one.
        epoch: number of the epoch, from 0.
        step: number of the step in the whole run, from 0.
        weights: [B] how much each forget example counts, None where all count the same.
        substitutes: by name, the forget batch with other answers, row for row.
    """

    forget: Batch | None
    retain: Batch | None
    epoch: int
    step: int
    weights: Tensor | None = None
    substitutes: Mapping[str, Batch] = field(default_factory=dict)


Rows = tuple[Tensor | None, Tensor | None]


def forget_pass(problem: Problem, run: Run, epoch: int, size: int) -> list[Rows]:
    """One pass over the forget set."""
    return [(rows, None) for rows in shuffled(len(problem.forget), size, run.generator("forget order", epoch))]


def retain_pass(problem: Problem, run: Run, epoch: int, size: int) -> list[Rows]:
    """One pass over the retain set."""
    return [(None, rows) for rows in shuffled(len(problem.kept), size, run.generator("retain order", epoch))]


def paired(problem: Problem, run: Run, epoch: int, size: int) -> list[Rows]:
    """One pass over the retain set, each batch beside one of the forget set, which begins anew when it ends."""
    forget = [rows for rows, _ in forget_pass(problem, run, epoch, size)]
    retain = [rows for _, rows in retain_pass(problem, run, epoch, size)]
    return list(zip(islice(cycle(forget), len(retain)), retain, strict=True))


def beside(problem: Problem, run: Run, epoch: int, size: int) -> list[Rows]:
    """One pass over the forget set, each batch beside as many retain examples drawn at random (with replacement)."""
    forget = [rows for rows, _ in forget_pass(problem, run, epoch, size)]
    generator, count = run.generator("retain beside", epoch), len(problem.kept)
    return [(rows, torch.randint(count, (len(rows),), generator=generator)) for rows in forget if rows is not None]


def mixed(problem: Problem, run: Run, epoch: int, size: int) -> list[Rows]:
    """One pass over the union of both sets, shuffled together; a batch holds what fell into it."""
    forgotten = len(problem.forget)
    batches: list[Rows] = []
    for rows in shuffled(forgotten + len(problem.kept), size, run.generator("mixed order", epoch)):
        forget, retain = rows[rows < forgotten], rows[rows >= forgotten] - forgotten
        batches.append((forget if len(forget) else None, retain if len(retain) else None))
    return batches


def redrawn(planned: Sequence[Rows], shares: Tensor, generator: torch.Generator) -> list[Rows]:
    """Return the same batches with retain examples drawn in proportion to the shares, [N_r], with replacement."""
    return [
        (
            forget,
            torch.multinomial(shares, len(retain), replacement=True, generator=generator)
            if retain is not None
            else None,
        )
        for forget, retain in planned
    ]


def draw(problem: Problem, rows: Rows, epoch: int, step: int, device: torch.device) -> Draw:
    """Return the batches of these rows, on the device."""
    forget, retain = rows
    prepare = problem.task.prepare
    return Draw(
        forget=prepare(problem.forget.batch(forget)).to(device) if forget is not None else None,
        retain=prepare(problem.kept.batch(retain)).to(device) if retain is not None else None,
        epoch=epoch,
        step=step,
    )
