"""Importance passes: gradients of a loss over a set of examples, summed or squared, without changing the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lethe.examples import Batch, Examples

if TYPE_CHECKING:
    from lethe.run import Run

BatchLoss = Callable[[nn.Module, Batch], Tensor]


@contextmanager
def all_trainable(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode with every parameter differentiable, and give both back afterwards."""
    flags = [(p, p.requires_grad) for p in model.parameters()]
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    for parameter, _ in flags:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        for module, training in modes:
            module.training = training


def gradient_pass(
    model: nn.Module,
    examples: Examples,
    loss: BatchLoss,
    batch_size: int,
    run: Run,
    accumulate: Callable[[Tensor, Tensor], object],
    label: str,
) -> tuple[dict[str, Tensor], int]:
    """Run `accumulate(total, gradient)` over the gradients of every batch, in the order of the examples.

    Args:
        model: the model; neither its weights nor its buffers change (eval mode).
        examples: what the loss is taken on.
        loss: (model, batch) -> scalar whose gradient is wanted.
        batch_size: examples a batch.
        run: told the progress; its cost counts the examples.
        accumulate: adds one batch's gradient to a running total in place.
        label: what the progress bar says.

    Returns:
        The totals by parameter name (zeros where a parameter has no gradient), and the number of batches.
    """
    names = [name for name, _ in model.named_parameters()]
    parameters = [p for _, p in model.named_parameters()]
    totals = [torch.zeros_like(p, dtype=torch.float32) for p in parameters]
    count = 0
    with all_trainable(model), run.progress.bar(label, len(examples)) as bar:
        for batch in examples.batches(batch_size):
            run.interrupt_point()
            value = loss(model, batch.to(run.device))
            gradients = torch.autograd.grad(value, parameters, allow_unused=True)
            for total, gradient in zip(totals, gradients, strict=True):
                if gradient is not None:
                    accumulate(total, gradient.float())
            run.cost.examples += len(batch)
            count += 1
            bar.advance(len(batch))
    return dict(zip(names, totals, strict=True)), count


def summed_gradient(
    model: nn.Module, examples: Examples, loss: BatchLoss, batch_size: int, run: Run
) -> dict[str, Tensor]:
    """Return Σ_batches ∇loss(batch) by parameter name: signed gradients are summed first."""
    return gradient_pass(model, examples, loss, batch_size, run, lambda t, g: t.add_(g), "gradient")[0]


def mean_gradient(
    model: nn.Module, examples: Examples, losses: BatchLoss, batch_size: int, run: Run
) -> dict[str, Tensor]:
    """Return (1/N) Σ_i ∇ℓ_i by parameter name, zeros for an empty set; `losses` returns one value an example, [B]."""

    def total(model: nn.Module, batch: Batch) -> Tensor:
        return losses(model, batch).sum()

    gradient = summed_gradient(model, examples, total, batch_size, run)
    return {name: value / max(len(examples), 1) for name, value in gradient.items()}


def mean_squared_gradient(
    model: nn.Module, examples: Examples, loss: BatchLoss, batch_size: int, run: Run
) -> dict[str, Tensor]:
    """Return (1/batches) Σ_batches (∇loss(batch))² by name: with batch size 1, the diagonal empirical Fisher."""
    totals, count = gradient_pass(model, examples, loss, batch_size, run, lambda t, g: t.addcmul_(g, g), "importance")
    return {name: total / count for name, total in totals.items()}


def top_share(scores: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return boolean tensors with exactly int(share·N) ones at the N scores' largest, over all tensors together."""
    return largest(scores, int(share * sum(score.numel() for score in scores.values())))


def largest(scores: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Return boolean tensors with exactly `count` ones at the largest scores, over all tensors together.

    Ties are broken by position, so the count is exact whatever the scores.

    >>> largest({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([2.0, 2.0])}, 2)
    {'a': tensor([ True, False]), 'b': tensor([ True, False])}
    """
    flat = torch.cat([score.flatten() for score in scores.values()])
    chosen = torch.zeros(len(flat), dtype=torch.bool, device=flat.device)
    chosen[torch.argsort(flat, descending=True, stable=True)[:count]] = True
    parts = chosen.split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for (name, score), part in zip(scores.items(), parts, strict=True)}
