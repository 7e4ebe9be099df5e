"""Greedy coordinate gradient (GCG): search tokens to put before every prompt that bring the answers back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.auditing.attacks.prefixed import Prefixing, embeddings, prefixed_outputs
from lethe.auditing.attacks.regained import best_of, victim
from lethe.auditing.metric import Score
from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, as_causal_lm


@dataclass(frozen=True, kw_only=True)
class GreedyCoordinate(Prefixing):
    """What comes back of one half of the forget set behind tokens that were searched on the other half.

    Each step takes the gradient of the mean loss with respect to the one-hot tokens x_1 … x_n, E·∂L/∂e_i; draws
    `candidates` beginnings that differ from the best so far in one random place, by one of the `top` tokens with the
    most negative gradient there; and keeps the one of least loss. The published search takes the best candidate even
    where it is worse; here the best so far stays, for the budget is small. Special tokens are left out. The value is
    the most at any look.

    Args:
        candidates: beginnings tried a step.
        top: tokens to choose from in each place.
        count: examples to search on, drawn from the half.

    Source: Zou et al. 2023, arXiv:2307.15043, algorithms 1 and 2 (512 candidates, top 256, 500 steps; the defaults here
    are a laptop's); against unlearned models Lucki et al. 2024, arXiv:2409.18025.
    """

    steps: int = 8
    candidates: int = 16
    top: int = 32
    count: int = 8

    title: ClassVar[str] = "Adversarial tokens"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("candidates", "top", "count"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the most that came back, with the curve [step, value], the losses, and the tokens as text."""
        start, task = time.perf_counter(), as_causal_lm(problem.task, self.title)
        half, other = self.halves(problem, task, run)
        own = half.sample(self.count, run.generator("searched on"))
        attacked = victim(model, run).requires_grad_(False)
        search = Search(attacked, task, own, run)
        before = self.look(attacked, task, other, run)
        curve, losses = [(0, before)], []
        prefix = search.begin(self.length)
        best = float(search.losses(prefix.unsqueeze(0))) if self.steps else float("inf")
        with run.progress.bar(self.title.lower(), self.steps) as bar:
            for step in range(1, self.steps + 1):
                run.interrupt_point()
                tried = search.neighbours(prefix, self.candidates, self.top, step)
                found = search.losses(tried)
                if float(found.min()) < best:
                    best, prefix = float(found.min()), tried[int(found.argmin())]
                losses.append(best)
                if self.look_at(step):
                    curve.append((step, self.after(attacked, task, other, search.embedded(prefix), run)))
                bar.advance()
        _, value = best_of(curve)
        cost = {"steps": self.steps, "queries": self.steps * self.candidates * len(own), "tokens": self.length}
        text = task.tokenizer.decode(prefix.tolist())
        return self.score(value, before, curve, start, other, cost, losses=losses, prefix=text)


class Search:
    """The search on one model.

    Args:
        model: on the run's device, without gradients.
        task: how it is fed.
        examples: those to bring back.
        run: seed and device.
    """

    def __init__(self, model: nn.Module, task: CausalLM, examples: Examples, run: Run) -> None:
        self._model, self._task, self._run = model, task, run
        self._batch = examples.batch(torch.arange(len(examples))).to(run.device)
        table = next(embeddings(model).parameters()).detach()
        known = torch.zeros(len(table), dtype=torch.bool)
        known[: len(task.tokenizer)] = True
        known[[token for token in task.tokenizer.all_special_ids if token < len(table)]] = False
        self._known = known.nonzero().flatten()

    def begin(self, length: int) -> Tensor:
        """Return random tokens, [n]."""
        drawn = torch.randint(len(self._known), (length,), generator=self._run.generator("adversarial tokens"))
        return self._known[drawn]

    def embedded(self, tokens: Tensor) -> Tensor:
        """Return the embeddings of tokens, [..., D] on the device."""
        found: Tensor = embeddings(self._model)(tokens.to(self._run.device))
        return found.detach()

    def gradient(self, tokens: Tensor) -> Tensor:
        """Return the gradient of the mean loss with respect to each one-hot token, [n, V] on the CPU."""
        prefix = self.embedded(tokens).requires_grad_(True)
        loss = self._losses(prefix, self._batch).mean()
        (slope,) = torch.autograd.grad(loss, prefix)
        table = self.embedded(torch.arange(int(self._known.max()) + 1))
        return (slope @ table.T).float().cpu()

    def neighbours(self, tokens: Tensor, candidates: int, top: int, step: int) -> Tensor:
        """Return beginnings that differ from the tokens in at most one place, [candidates, n]."""
        descent = -self.gradient(tokens)[:, self._known]
        chosen = self._known[descent.topk(min(top, len(self._known)), dim=1).indices]
        draws = self._run.generator("coordinates", step)
        places = torch.randint(len(tokens), (candidates,), generator=draws)
        ranks = torch.randint(chosen.shape[1], (candidates,), generator=draws)
        tried = tokens.repeat(candidates, 1)
        tried[torch.arange(candidates), places] = chosen[places, ranks]
        return tried

    @torch.no_grad()
    def losses(self, tried: Tensor) -> Tensor:
        """Return the mean loss behind each of several beginnings, [C] on the CPU."""
        count = len(self._batch)
        # Every beginning with every example, a few beginnings at a time.
        some = max(1, 256 // count)
        found = []
        for part in tried.split(some):
            every = torch.arange(count).repeat(len(part))
            prefix = self.embedded(part).repeat_interleave(count, 0)
            found.append(self._losses(prefix, self._batch.at(every)).view(len(part), count).mean(1))
        return torch.cat(found).float().cpu()

    def _losses(self, prefix: Tensor, batch: Batch) -> Tensor:
        return self._task.losses_from(prefixed_outputs(self._model, self._task, batch, prefix), batch)
