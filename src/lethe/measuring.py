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
EVALUATION_TOKENS = 8192


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


def evaluation_batches(examples: Examples, task: Task) -> list[Tensor]:
    """Return the rows of batches for forward passes: in order, or those of like length together, longest first.

    Memory shows at the first batch whether it is enough.
    """
    sizes = task.sizes(examples.columns)
    if sizes is None:
        return list(torch.arange(len(examples)).split(EVALUATION_BATCH))
    order = torch.argsort(sizes, descending=True, stable=True)
    batches: list[Tensor] = []
    first = 0
    while first < len(order):
        count = max(1, min(EVALUATION_BATCH, EVALUATION_TOKENS // max(int(sizes[order[first]]), 1)))
        batches.append(order[first : first + count])
        first += count
    return batches


def over_examples(
    model: nn.Module, task: Task, examples: Examples, run: Run, read: Callable[[nn.Module, Batch], Tensor], label: str
) -> Tensor:
    """Return `read(model, batch)` for all examples in order, [N, ...] on the CPU: index it with `batch.rows`.

    Processes that share the run read a share of the batches each.
    """
    batches = evaluation_batches(examples, task)
    divided = len(batches) >= run.parallel.count > 1
    own = batches[run.parallel.rank :: run.parallel.count] if divided else batches
    parts: list[Tensor] = []
    with evaluation(model), run.autocast(), run.progress.bar(label, len(examples)) as bar:
        for rows in own:
            run.interrupt_point()
            parts.append(read(model, examples.batch(rows).to(run.device)).cpu())
            run.cost.examples += len(rows)
            bar.advance(len(rows))
    found = parts[0].new_zeros(len(examples), *parts[0].shape[1:])
    found[torch.cat(own)] = torch.cat(parts)
    if divided:
        found = found.to(run.device)
        run.parallel.reduce([found])
    return found.cpu()


def example_losses(model: nn.Module, task: Task, examples: Examples, run: Run) -> Tensor:
    """Return the training loss of every example in eval mode, [N]."""
    return over_examples(model, task, examples, run, task.losses, "losses")


def example_outputs(model: nn.Module, task: Task, examples: Examples, run: Run) -> Tensor:
    """Return the model's outputs for every example in eval mode, [N, ...]: a teacher that needs no second model."""
    return over_examples(model, task, examples, run, task.outputs, "teacher outputs")
