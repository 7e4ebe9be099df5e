"""Parametric traces: how far unlearning has changed the value vectors that a concept is read from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import InputError
from lethe.tasks import CausalLM
from lethe.tasks.value_vectors import TOP, ValueMatrix, most_said, read_out, value_matrices

CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Trace:
    """One value vector and the tokens that the model it stands in reads from it.

    Attributes:
        vector: [D] float32.
        tokens: [k] the tokens with the largest logits E v, by falling logit.
    """

    vector: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class Change:
    """How a value vector has changed.

    Attributes:
        cosine: of the vector before and after; 1 where nothing changed.
        distance: ‖v - v'‖, in the units of the weights.
        jaccard: |T ∩ T'| / |T ∪ T'| of the two sets of tokens.
    """

    cosine: float
    distance: float
    jaccard: float


def trace(task: CausalLM, model: nn.Module, layer: int, unit: int, top: int = TOP, sign: int = 1) -> Trace:
    """Return the value vector of a unit with the tokens read from it by the model's own unembedding.

    Args:
        task: how the model is read.
        model: the model.
        layer: number of the block, from 0.
        unit: unit of its MLP.
        top: most tokens.
        sign: -1 reads the tokens with the smallest logits, which a unit speaks for whose activity is negative.

    Raises:
        InputError: the model has no such vector.
    """
    matrices = value_matrices(task, model)
    units = len(matrices[layer].vectors) if 0 <= layer < len(matrices) else 0
    if not 0 <= unit < units:
        raise InputError(
            f"the model has no unit {unit} in block {layer}: it has {len(matrices)} blocks of "
            f"{len(matrices[0].vectors)} units; give the model in which the vector was found"
        )
    vector = matrices[layer].vector(unit)
    tokens = most_said(sign * read_out(task, model, vector.unsqueeze(0)), top)[0]
    return Trace(vector.float().cpu().clone(), tokens.cpu())


def change(before: Trace, after: Trace) -> Change:
    """Return cosine, distance and shared tokens of a vector before and after.

    Source: Hong et al. 2024, arXiv:2406.11614, section 4.
    """
    one, other = before.vector.double(), after.vector.double()
    shared = token_jaccard(before.tokens.unsqueeze(0), after.tokens.unsqueeze(0))
    return Change(float(F.cosine_similarity(one, other, dim=0)), float((one - other).norm()), float(shared[0, 0]))


def token_jaccard(one: Tensor, other: Tensor) -> Tensor:
    """Return |A ∩ B| / |A ∪ B| of each of n sets of tokens with each of m others, [n, m] float64.

    Args:
        one: [n, k] different tokens a row.
        other: [m, l] the same.

    >>> token_jaccard(torch.tensor([[1, 2, 3]]), torch.tensor([[3, 2, 1], [3, 4, 5]])).tolist()
    [[1.0, 0.2]]
    """
    one, other = one.cpu(), other.cpu()
    size = int(max(one.max(), other.max())) + 1
    held = torch.zeros(len(one), size).scatter_(1, one, 1.0)
    shared = held[:, other.flatten()].view(len(one), *other.shape).sum(2).double()
    return shared / (one.shape[1] + other.shape[1] - shared)


def nearest_traces(task: CausalLM, model: nn.Module, wanted: Tensor) -> Tensor:
    """Return for each set of tokens the largest Jaccard index it has with any value vector of the model, [n] float64.

    Units are compared by the tokens they mean: those of another training run stand in another order and another basis,
    so that neither their places nor their cosines say anything.

    Args:
        task: how the model is read.
        model: the model whose value vectors are searched, all blocks of it.
        wanted: [n, k] sets of tokens.
    """
    best = torch.zeros(len(wanted), dtype=torch.float64)
    for matrix in value_matrices(task, model):
        for vectors in matrix.vectors.split(CHUNK):
            logits = read_out(task, model, vectors)
            for sign in (1, -1):  # what a unit speaks for, its activity being of either sign
                said = most_said(sign * logits, wanted.shape[1])
                best = torch.maximum(best, token_jaccard(wanted, said).amax(1))
    return best


def same_place(task: CausalLM, before: nn.Module, after: nn.Module) -> bool:
    """Say whether the value vectors of two models are of the same number and width, block by block."""
    one, other = ([_shape(matrix) for matrix in value_matrices(task, model)] for model in (before, after))
    return one == other


def _shape(matrix: ValueMatrix) -> tuple[int, ...]:
    return tuple(matrix.vectors.shape)
