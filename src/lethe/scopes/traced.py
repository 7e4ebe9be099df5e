"""Traced layers: only the MLPs of the blocks through which the facts to be forgotten run may move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from lethe.scopes.base import Mask, Scope
from lethe.scopes.blocks import block_mask
from lethe.scopes.tracing import Tracing, facts
from lethe.tasks.causal_lm import as_causal_lm

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class TracedLayers(Scope):
    """The MLPs (or attentions) of the blocks where causal tracing finds the facts may move.

    Of every forget example that names its subject and that the model answers rightly, the subject is noised in the
    prompt, and the MLP outputs around each block are put back at the subject's last token. The blocks with the largest
    mean effect on the probability of the answer's first token are chosen.

    Args:
        count: blocks to choose; all where the model has fewer.
        layers: numbers of the blocks, from 0, in the place of tracing.
        kind: `mlp` or `self_attn`, what is traced and may move; `all` traces MLPs and moves whole blocks.
        subject: column of the forget set with the text that names the subject of each prompt.
        noise: standard deviation of the noise, as a multiple of that of the embeddings.
        samples: noisy copies of each prompt.
        window: blocks whose outputs are put back together.
        most_facts: facts to trace, drawn at random where there are more.

    Source: Agrawal and Huang 2025, arXiv:2504.12996; tracing: Meng et al. 2022, arXiv:2202.05262.
    """

    count: int = 6
    layers: tuple[int, ...] = ()
    kind: Literal["mlp", "self_attn", "all"] = "mlp"
    subject: str = "subject"
    noise: float = 3.0
    samples: int = 10
    window: int = 10
    most_facts: int = 100

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask of the chosen blocks' modules."""
        layers = self.layers or self.choose(problem, run)
        return block_mask(problem, layers, () if self.kind == "all" else (self.kind,), type(self).__name__)

    def choose(self, problem: Problem, run: Run) -> tuple[int, ...]:
        """Return the numbers of the blocks with the largest effects, in ascending order."""
        effects = self.effects(problem, run)
        return tuple(sorted(torch.argsort(effects, descending=True, stable=True)[: self.count].tolist()))

    def effects(self, problem: Problem, run: Run) -> Tensor:
        """Return the mean indirect effect of each block at the subject's last token, [blocks]."""
        task = as_causal_lm(problem.task, type(self).__name__)
        tracing = Tracing(self.noise, self.samples, self.window)
        kind: Literal["mlp", "self_attn"] = "self_attn" if self.kind == "self_attn" else "mlp"
        sample = problem.forget.sample(self.most_facts, run.generator("traced facts"))
        found = facts(problem.model, task, sample, self.subject, run)
        total = torch.zeros(len(task.blocks(problem.model)))
        with run.progress.bar("causal tracing", len(found)) as bar:
            for name, fact in found.items():
                total += tracing.effects(problem.model, task, fact, fact.subject[-1:], kind, run, name)[:, 0]
                bar.advance(1)
        return total / len(found)
