"""Influence from gradients at given weights: what UnTrac is compared with, and equals to first order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from lethe.attribution.influence import Influence, Sets, batch_loss, check, joined, throwaway
from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import Task


def gradient_influence(
    model: nn.Module, task: Task, training: Sets, tests: Sets, *, kind: Literal["dot", "cosine"] = "dot",
    run: Run | None = None, batch: int = 32,
) -> Influence:  # fmt: skip
    """Return ⟨∇L(Z'), ∇L(Z_k)⟩ (GradDot), or the cosine between the two gradients (GradCos).

    Args:
        model: the trained model; it is left as it is.
        task: how examples are fed.
        training: the training sets Z_k by name.
        tests: the test sets Z' by name.
        kind: `dot` or `cosine`.
        run: device.
        batch: examples a forward pass; losses of batches are averaged with the batches' sizes as weights.

    Source: Isonuma and Titov 2024, arXiv:2401.15241, section 3.3.
    """
    check(training, tests)
    run = run or Run()
    copy = throwaway(model, run)
    mine, theirs = ([set_gradient(copy, task, z, batch, run) for z in sets.values()] for sets in (training, tests))
    similarity = torch.dot if kind == "dot" else lambda a, b: F.cosine_similarity(a, b, dim=0)
    table = torch.tensor([[float(similarity(a, b)) for b in theirs] for a in mine], dtype=torch.float64)
    return Influence(tuple(training), tuple(tests), table, {})


def tracin(
    checkpoints: Sequence[tuple[nn.Module, float]], task: Task, training: Sets, tests: Sets, *, run: Run | None = None,
    batch: int = 32,
) -> Influence:  # fmt: skip
    """Return Σ_c η_c ⟨∇L(Z'; θ_c), ∇L(Z_k; θ_c)⟩ over checkpoints of the training (TracIn).

    Args:
        checkpoints: model and learning rate at some moments of its training.
        task: how examples are fed.
        training: the training sets Z_k by name.
        tests: the test sets Z' by name.
        run: device.
        batch: examples a forward pass.

    Source: Pruthi et al. 2020, arXiv:2002.08484, eq. 3.
    """
    tables = [
        rate * gradient_influence(model, task, training, tests, run=run, batch=batch).table
        for model, rate in checkpoints
    ]
    return Influence(tuple(training), tuple(tests), torch.stack(tables).sum(0), {})


def hessian_influence(
    model: nn.Module, task: Task, training: Sets, tests: Sets, *, iterations: int = 10, damping: float = 0.01,
    scale: float = 10.0, run: Run | None = None, batch: int = 32,
) -> Influence:  # fmt: skip
    """Return ⟨(H + λI)⁻¹ ∇L(Z'), ∇L(Z_k)⟩ (HIF), H the Hessian of the loss of all training sets, inverted by LiSSA.

    v_0 = g, v_{j+1} = g + v_j - (H + λI) v_j / σ, and (H + λI)⁻¹ g ≈ v / σ: a series that converges where σ is above
    half the largest eigenvalue of H + λI and all are positive.

    Args:
        model: the trained model; it is left as it is.
        task: how examples are fed.
        training: the training sets Z_k by name.
        tests: the test sets Z' by name.
        iterations: terms of the series; the paper takes 10.
        damping: λ.
        scale: σ.
        run: device.
        batch: examples a forward pass.

    Raises:
        Diverged: the series does; take a larger σ or λ.

    Source: Koh and Liang 2017, arXiv:1703.04730, section 3; Agarwal et al. 2017, arXiv:1602.03943 (LiSSA).
    """
    check(training, tests)
    run = run or Run()
    copy = throwaway(model, run)
    whole = joined(list(training.values()))
    mine = [set_gradient(copy, task, z, batch, run) for z in training.values()]
    columns = []
    for examples in tests.values():
        gradient = set_gradient(copy, task, examples, batch, run)
        found = gradient.clone()
        for _ in range(iterations):
            product = _hessian_product(copy, task, whole, found, batch, run)
            found = gradient + found - (product + damping * found) / scale
            run.require_finite(found, "the inverse Hessian's series")
        columns.append(torch.tensor([float(torch.dot(found, own)) / scale for own in mine], dtype=torch.float64))
    return Influence(tuple(training), tuple(tests), torch.stack(columns, dim=1), {})


def _hessian_product(model: nn.Module, task: Task, examples: Examples, vector: Tensor, size: int, run: Run) -> Tensor:
    """Return H v for the Hessian of a set's loss."""
    weights = list(model.parameters())
    total = torch.zeros_like(vector)
    # Fused attention has no second derivative.
    with sdpa_kernel(SDPBackend.MATH):
        for batch in examples.batches(size):
            run.interrupt_point()
            loss = batch_loss(model, task, batch, run) * len(batch) / len(examples)
            first = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
            along = torch.dot(torch.cat([g.flatten() for g in first]), vector)
            second = torch.autograd.grad(along, weights, materialize_grads=True)
            total += torch.cat([g.flatten() for g in second])
    return total


def set_gradient(model: nn.Module, task: Task, examples: Examples, size: int, run: Run) -> Tensor:
    """Return the gradient of a set's loss over all weights as one vector."""
    model.zero_grad(set_to_none=True)
    for batch in examples.batches(size):
        run.interrupt_point()
        with run.autocast():
            loss = batch_loss(model, task, batch, run) * len(batch) / len(examples)
        loss.backward()
    return torch.cat([(torch.zeros_like(w) if w.grad is None else w.grad).flatten() for w in model.parameters()])
