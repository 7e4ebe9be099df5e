"""Random mapping: send the hidden states of forget text to random places, the safeguard that TAR begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe import losses
from lethe.feeds import Draw
from lethe.hooks import all_hidden_states, at, places, tokens
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten
from lethe.problem import Problem
from lethe.run import Run
from lethe.segments import mean_by_row
from lethe.tasks import CausalLM


@dataclass(frozen=True, kw_only=True)
class RandomMapping(LanguageDescent):
    """Pull every block's hidden state of each forget token to the line of a fixed random vector of that token.

    min mean over blocks and tokens of 1 - |cos(h_θ, r(token))|, + λ L(θ; D_r). A vector is drawn once for each token
    of the vocabulary, and is the same at every block.

    Source: Tamirisa et al. 2024, TAR, arXiv:2408.00761 (the initial safeguard).
    """

    aims: ClassVar[str] = "suppression"

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the mean over blocks and tokens of each forget example."""
        vocabulary, width = task.head(problem.model).get_parameter("weight").shape
        drawn = torch.randn(vocabulary, width, generator=run.generator("random mapping"))
        vectors = drawn.to(run.device)

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            where = places(batch)
            wanted = vectors[tokens(batch)[where]]
            found = [at(hidden, where) for hidden in all_hidden_states(model, task, batch)]
            return torch.stack(
                [mean_by_row(losses.random_mapping(hidden, wanted), rows, len(batch)) for hidden, rows in found]
            ).mean(0)

        return term
