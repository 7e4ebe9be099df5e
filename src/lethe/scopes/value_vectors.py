"""Value vectors that may move: named units of the MLPs, or those that write the forget set's answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.hooks import at, block_at, places, reading, tokens
from lethe.measuring import over_examples
from lethe.scopes.base import Mask, Scope
from lethe.segments import sum_by_row
from lethe.tasks.causal_lm import CausalLM, as_causal_lm
from lethe.tasks.value_vectors import value_matrices

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class ValueVectors(Scope):
    """Value vectors of the MLPs may move: one that is named, the few that write the answers, or all of them.

    Args:
        layer: number of the block, from 0; -1 chooses.
        unit: unit of its MLP, the index of the vector; -1 chooses.
        count: vectors to choose where none is named, see `written`; 0 takes the value vectors of all blocks.

    Source: Hong et al. 2024, arXiv:2406.11614.
    """

    layer: int = -1
    unit: int = -1
    count: int = 1

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask of the vectors."""
        task = as_causal_lm(problem.task, type(self).__name__)
        matrices = value_matrices(task, problem.model)
        allowed: dict[str, bool | Tensor] = {name: False for name, _ in problem.model.named_parameters()}
        if self.layer < 0 and self.count == 0:
            return Mask(allowed | {matrix.name: True for matrix in matrices})
        chosen = self.choose(problem, run)
        for matrix in matrices:
            units = [unit for layer, unit in chosen if layer == matrix.layer]
            if units:
                allowed[matrix.name] = matrix.only(units)
        return Mask(allowed)

    def choose(self, problem: Problem, run: Run) -> list[tuple[int, int]]:
        """Return block and unit of each vector: the one that is named, else those that write most.

        Raises:
            ConfigurationError: only one of layer and unit is given, or there is no such vector.
        """
        if (self.layer < 0) != (self.unit < 0):
            raise ConfigurationError("layer and unit name a value vector together; give both or neither")
        task = as_causal_lm(problem.task, type(self).__name__)
        if self.layer >= 0:
            block_at(task.blocks(problem.model), self.layer)
            value_matrices(task, problem.model)[self.layer].vector(self.unit)
            return [(self.layer, self.unit)]
        return strongest(written(problem, run).scores, self.count)


@dataclass(frozen=True, eq=False)
class Written:
    """What each unit of the MLPs writes of the forget answers.

    Attributes:
        scores: [blocks, units] what it adds to their logits beyond what it adds to those of retained answers; blocks
            with fewer units than the widest are filled up with -∞.
        signs: [blocks, units] 1 or -1, the sign of its mean activity on them: where it is -1, the tokens that the unit
            speaks for are those with the smallest E v.
    """

    scores: Tensor
    signs: Tensor


def written(problem: Problem, run: Run) -> Written:
    """Return how much more each unit of the original's MLPs writes of forget answers than of retained ones.

    A unit j with value vector v_j adds f_j(x) (E_y - mean E) · v_j to the logit of the token y over the vocabulary's
    mean. The score is the mean over examples of the sum over an answer's tokens, of the forget set minus that of the
    retain set, where there is one.
    """
    task = as_causal_lm(problem.task, "choosing value vectors")
    added, active = _contributions(problem.model, task, problem.forget, run).unbind(1)
    scores, signs = added.mean(0), torch.where(active.mean(0) < 0, -1, 1)
    if problem.retain is not None:
        scores = scores - _contributions(problem.model, task, problem.retain, run)[:, 0].mean(0).nan_to_num(neginf=0.0)
    return Written(scores, signs)


def strongest(scores: Tensor, count: int) -> list[tuple[int, int]]:
    """Return block and unit of the largest scores, the largest first.

    >>> strongest(torch.tensor([[0.1, 0.9], [0.5, -1.0]]), 2)
    [(0, 1), (1, 0)]
    """
    width = scores.shape[1]
    best = scores.flatten().topk(min(count, int(scores.isfinite().sum()))).indices.tolist()
    return [(place // width, place % width) for place in best]


def _contributions(model: nn.Module, task: CausalLM, examples: Examples, run: Run) -> Tensor:
    """Return what each unit adds to the logits of an answer's tokens, and its activity there, [N, 2, blocks, units]."""
    matrices = value_matrices(task, model)
    unembedding = task.head(model).get_parameter("weight").detach().float()
    centred = unembedding - unembedding.mean(0)
    width = max(len(matrix.vectors) for matrix in matrices)

    def read(model: nn.Module, batch: Batch) -> Tensor:
        decoder: Any = model
        with reading({m.layer: m.module for m in matrices}, "input") as active:
            decoder.base_model(input_ids=tokens(batch), use_cache=False)
        before = F.pad(places(batch, "answer")[:, 1:], (0, 1))  # the positions that predict the answers' tokens
        targets = centred[task.targets(batch)]
        parts = []
        for matrix in matrices:
            activity, rows = at(active[matrix.layer], before)
            added = activity.float() * (targets @ matrix.vectors.float().T)
            both = sum_by_row(torch.stack([added, activity.float()], 1), rows, len(batch))
            parts.append(F.pad(both, (0, width - added.shape[1]), value=-math.inf))
        return torch.stack(parts, 2)

    return over_examples(model, task, examples, run, read, "reading the MLPs")
