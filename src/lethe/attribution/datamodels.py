"""Datamodels: how much each training example adds to each output, from models trained on random subsets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lethe.errors import InputError
from lethe.examples import Examples
from lethe.measuring import example_outputs
from lethe.run import Run
from lethe.tasks import Task


@dataclass(frozen=True, eq=False)
class SubsetModel:
    """A model trained on part of the training set.

    Attributes:
        model: the trained model.
        rows: [n] boolean, which training examples it saw.
    """

    model: nn.Module
    rows: Tensor


def subset_models(
    train: Callable[[Examples, int], nn.Module], training: Examples, count: int, share: float, run: Run
) -> list[SubsetModel]:
    """Return models trained on random shares of the training set, each on another.

    Args:
        train: (examples, number of the model) -> model trained from scratch.
        training: n examples.
        count: number of models.
        share: share of the examples each sees, in (0, 1).
        run: seed and progress.
    """
    found = []
    size = min(max(1, round(share * len(training))), len(training) - 1)
    with run.progress.bar("training on subsets", count) as bar:
        for number in range(count):
            run.interrupt_point()
            order = torch.randperm(len(training), generator=run.generator("subset", number))
            rows = torch.zeros(len(training), dtype=torch.bool).index_fill(0, order[:size], True)
            found.append(SubsetModel(train(training.take(rows.nonzero().flatten()), number), rows))
            bar.advance(1)
    return found


def outputs_of(models: Sequence[SubsetModel], task: Task, examples: Examples, run: Run) -> Tensor:
    """Return every model's outputs, [M, N, C]."""
    return torch.stack([example_outputs(one.model.to(run.device), task, examples, run) for one in models])


def regression_effects(inclusion: Tensor, outputs: Tensor, removed: Tensor, ridge: float) -> Tensor:
    """Return Σ_{j∈F} A_j for the linear datamodel y ≈ b + Σ_j z_j A_j fitted by ridge regression.

    With Z and Y centred over the models, A = Zᵀ (Z Zᵀ + ρ I)⁻¹ Y: one system of M equations, however many examples.
    With fewer models than examples the effects are shrunk, by about M / n.

    Args:
        inclusion: [M, n] boolean, which examples each model saw.
        outputs: [M, ...] what it puts out.
        removed: [n] boolean, F.
        ridge: ρ.

    Returns:
        [...], how much the outputs rise when F is in the training set.

    Raises:
        InputError: there are fewer than two models.

    Source: Ilyas et al. 2022, Datamodels, arXiv:2202.00622, section 2, with a ridge in the place of the lasso.

    >>> seen = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]]).bool()
    >>> regression_effects(seen, torch.tensor([3.0, 1.0, 4.0, 0.0]), torch.tensor([True, False]), 1e-9)
    tensor(3.)
    """
    if len(inclusion) < 2:
        raise InputError(f"a datamodel is fitted to at least 2 models, not {len(inclusion)}; train more")
    z, y = inclusion.double(), outputs.double().flatten(1) if outputs.dim() > 1 else outputs.double().unsqueeze(1)
    z, y = z - z.mean(0), y - y.mean(0)
    kernel = z @ z.t() + ridge * torch.eye(len(z), dtype=torch.float64)
    effect: Tensor = z[:, removed].sum(1) @ torch.linalg.solve(kernel, y)
    return effect.view(outputs.shape[1:]).to(outputs.dtype)


def fitted_scale(predicted: Tensor, actual: Tensor) -> float:
    """Return a minimising ‖(y - ȳ) - a (ŷ - ŷ̄)‖², means taken over the models: the scale of an attribution.

    Args:
        predicted: [M, ...] Σ of the attributions of the examples each model saw.
        actual: [M, ...] what it puts out.

    >>> fitted_scale(torch.tensor([0.0, 1.0]), torch.tensor([5.0, 8.0]))
    3.0
    """
    x, y = predicted.double() - predicted.double().mean(0), actual.double() - actual.double().mean(0)
    below = float(x.square().sum())
    return float((x * y).sum()) / below if below > 0 else 0.0
