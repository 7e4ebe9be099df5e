"""One forward pass over a set of examples, for numbers that are computed once and then looked up by row."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lethe.examples import Batch, Examples
from lethe.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lethe.run import Run

EVALUATION_BATCH = 256


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode without gradients, and give every module its own mode back afterwards."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def over_examples(
    model: nn.Module, examples: Examples, run: Run, read: Callable[[nn.Module, Batch], Tensor], label: str
) -> Tensor:
    """Return `read(model, batch)` for all examples in order, [N, ...] on the CPU: index it with `batch.rows`."""
    parts: list[Tensor] = []
    with evaluation(model), run.progress.bar(label, len(examples)) as bar:
        for batch in examples.batches(EVALUATION_BATCH):
            run.interrupt_point()
            parts.append(read(model, batch.to(run.device)).cpu())
            run.cost.examples += len(batch)
            bar.advance(len(batch))
    return torch.cat(parts)


def example_losses(model: nn.Module, task: Task, examples: Examples, run: Run) -> Tensor:
    """Return the training loss of every example in eval mode, [N]."""
    return over_examples(model, examples, run, task.losses, "losses")


def example_outputs(model: nn.Module, task: Task, examples: Examples, run: Run) -> Tensor:
    """Return the model's outputs for every example in eval mode, [N, ...]: a teacher that needs no second model."""
    return over_examples(model, examples, run, task.outputs, "teacher outputs")
