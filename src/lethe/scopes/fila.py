"""FILA: low-rank adapters that begin as the part of each weight that matters for the forget set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lethe import adapters
from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.scopes.importance import gradient_pass
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run

FLOOR = 1e-5


def factors(weight: Tensor, importance: Tensor, rank: int, scale: float) -> tuple[Tensor, Tensor]:
    """Return A and B such that c·B·A minimises ‖diag(s)(W - c·B·A)‖_F over all matrices of that rank.

    With s_i = sqrt(Σ_j F_ij), U Σ Vᵀ the rank-r part of the exact SVD of diag(s)·W, and Σ' = Σ/c:
    A = (V √Σ')ᵀ and B = diag(1/(s_i + 1e-5))·U √Σ'. In float32, exactly, not by the release's randomised SVD.

    Args:
        weight: W, [d_out, d_in].
        importance: F, [d_out, d_in], how much more each weight matters for the forget than for the retain set.
        rank: r, at most the smaller of both widths.
        scale: c = alpha / r.

    Returns:
        A [r, d_in] and B [d_out, r], float32.

    Source: Cha et al. 2025, LoKU, arXiv:2408.06621, section 3.3.
    """
    rows = importance.float().sum(1).sqrt()
    u, singular, vt = torch.linalg.svd(rows.unsqueeze(1) * weight.detach().float(), full_matrices=False)
    root = (singular[:rank] / scale).sqrt()
    return root.unsqueeze(1) * vt[:rank], u[:, :rank] * root / (rows + FLOOR).unsqueeze(1)


def relative_importance(problem: Problem, batch_size: int, run: Run) -> dict[str, Tensor]:
    """Return F_f / (F_r + 1e-5) by parameter name, both F = Σ_batches n·(∇ mean loss)² / Σ n, n the batch's tokens.

    As many retain examples are used as there are forget examples, drawn at random. Squares of batch means depend on
    the batch size.
    """
    paired = problem.kept.sample(len(problem.forget), run.generator("fila"))
    forget, retain = (_fisher(problem, examples, batch_size, run) for examples in (problem.forget, paired))
    return {name: forget[name] / (retain[name] + FLOOR) for name in forget}


def begin(model: nn.Module, importance: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Give the adapters of a model their first values, and take the same off the weights: W ← W - c·B·A, in place.

    Returns:
        The first A and B by the name of the layer, in the precision of the weights.

    Raises:
        ConfigurationError: the rank exceeds a weight's smaller side.
    """
    made: dict[str, tuple[Tensor, Tensor]] = {}
    for name, layer in adapters.adapted_layers(model).items():
        a, b, scale = adapters.factors(layer)
        weight: Tensor = layer.get_base_layer().weight.data
        if len(a) > min(weight.shape):
            raise ConfigurationError(f"rank {len(a)} exceeds the {min(weight.shape)} that '{name}' has; lower the rank")
        for own, first in zip((a, b), factors(weight, importance[f"{name}.weight"], len(a), scale), strict=True):
            own.data.copy_(first)
        made[name] = a.detach().clone(), b.detach().clone()
        weight.copy_(weight.float() - scale * (b.detach().float() @ a.detach().float()))
    return made


def _fisher(problem: Problem, examples: Examples, batch_size: int, run: Run) -> dict[str, Tensor]:
    task = problem.task

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        # The gradient of √n·ℓ has the square n·(∇ℓ)².
        return task.training_losses(model, batch).mean() * _tokens(batch) ** 0.5

    def square(total: Tensor, gradient: Tensor) -> None:
        total.addcmul_(gradient, gradient)

    totals, _ = gradient_pass(problem.model, examples, loss, batch_size, run, square, "importance")
    everything = _tokens(examples)
    return {name: total / everything for name, total in totals.items()}


def _tokens(examples: Batch | Examples) -> int:
    """Return the number of answer tokens, or of examples where they are no texts."""
    if ANSWER_FROM not in examples.columns:
        return len(examples)
    return int((examples.tensor(LENGTH) - examples.tensor(ANSWER_FROM).clamp_min(1)).sum())
