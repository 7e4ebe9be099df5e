"""One expert: only the expert that sees most of the forget set, and its router, may move in a mixture of experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe import hooks
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Batch, Examples
from lethe.measuring import over_examples
from lethe.precision import full_precision
from lethe.scopes.base import Mask, Scope
from lethe.segments import mean_by_row
from lethe.tasks.causal_lm import LENGTH, CausalLM, as_causal_lm

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run

ROUTERS = ("gate", "router")


@dataclass(frozen=True, eq=False)
class Mixture:
    """The mixture of experts of one block.

    Attributes:
        router: maps a hidden state to one score an expert, by its `weight` [E, D].
        experts: the routed experts, a list of modules or tensors [E, ...] that hold all of them.
    """

    router: nn.Module
    experts: nn.Module

    @property
    def count(self) -> int:
        """Number E of routed experts."""
        weight = self.router.weight
        assert isinstance(weight, Tensor)
        return len(weight)

    def logits(self, inputs: Tensor) -> Tensor:
        """Return the router's scores before softmax and top-K, [..., E], of what entered it, [..., D]."""
        parameters = dict(self.router.named_parameters(recurse=False))
        return F.linear(inputs, parameters["weight"], parameters.get("bias"))


@dataclass(frozen=True)
class Expert:
    """Where an expert stands: number of the block and of the expert in it, from 0."""

    block: int
    number: int


@dataclass(frozen=True)
class OneExpert(Scope):
    """One routed expert of a mixture-of-experts language model, and the router of its block, may move.

    The expert is the one with the highest affinity to the forget set over all blocks: the router's probability before
    the choice of the top K, averaged over the tokens of each text and then over texts. Shared experts, which see every
    token, are never chosen and may keep what they know.

    Args:
        block: number of the block, from 0, where the expert is given; -1 finds it by affinity.
        expert: number of the expert in that block.
        rank: place of the expert in the order of affinities: 0 is the highest, -1 the lowest.
        tokens: forget tokens to measure affinities on, in whole texts drawn at random.

    Source: Zhuang et al. 2024, UOE (SEUF), arXiv:2411.18797.
    """

    block: int = -1
    expert: int = -1
    rank: int = 0
    tokens: int = 100_000

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask: tensors that hold all experts move in the slice of the chosen one."""
        task = as_causal_lm(problem.task, type(self).__name__)
        chosen = self.choose(problem, run)
        mixture = mixtures(problem.model, task)[chosen.block]
        moving = {id(parameter) for parameter in mixture.router.parameters()}
        inside = {id(parameter) for parameter in mixture.experts.parameters()}
        if isinstance(mixture.experts, nn.ModuleList):
            moving |= {id(parameter) for parameter in mixture.experts[chosen.number].parameters()}
            inside = set()
        allowed: dict[str, bool | Tensor] = {}
        for name, parameter in problem.model.named_parameters():
            allowed[name] = id(parameter) in moving
            if id(parameter) in inside:
                flag = torch.zeros(parameter.shape, dtype=torch.bool, device=parameter.device)
                flag[chosen.number] = True
                allowed[name] = flag
        return Mask(allowed)

    def choose(self, problem: Problem, run: Run) -> Expert:
        """Return the expert: the one that was named, or that with the wanted place in the order of affinities.

        Raises:
            ConfigurationError: there is no such expert.
        """
        task = as_causal_lm(problem.task, type(self).__name__)
        known = mixtures(problem.model, task)
        if self.block >= 0:
            if self.block not in known or not 0 <= self.expert < known[self.block].count:
                raise ConfigurationError(
                    f"block {self.block} has no expert {self.expert}; blocks with experts: {sorted(known)}"
                )
            return Expert(self.block, self.expert)
        found = affinities(problem.model, task, self._sample(problem, run), run)
        ranked = [
            (-float(value), block, number) for block, row in found.items() for number, value in enumerate(row.tolist())
        ]
        if not -len(ranked) <= self.rank < len(ranked):
            raise ConfigurationError(f"rank {self.rank} does not exist: the model has {len(ranked)} experts")
        _, block, number = sorted(ranked)[self.rank]
        return Expert(block, number)

    def _sample(self, problem: Problem, run: Run) -> Examples:
        order = torch.randperm(len(problem.forget), generator=run.generator("affinity"))
        seen = problem.forget.tensor(LENGTH)[order].cumsum(0)
        return problem.forget.take(order[: int((seen < self.tokens).sum()) + 1].sort().values)


def mixtures(model: nn.Module, task: CausalLM) -> dict[int, Mixture]:
    """Return the mixtures of experts by the number of their block.

    Raises:
        InputError: the model has none.
    """
    found: dict[int, Mixture] = {}
    for number, block in enumerate(task.blocks(model)):
        for module in block.modules():
            children = dict(module.named_children())
            router = next((children[name] for name in ROUTERS if name in children), None)
            if router is not None and "experts" in children:
                found[number] = Mixture(router, children["experts"])
    if not found:
        raise InputError(
            f"{type(model).__name__} has no mixture of experts (a router named gate beside experts); give such a model"
        )
    return found


def affinities(model: nn.Module, task: CausalLM, examples: Examples, run: Run) -> dict[int, Tensor]:
    """Return s_i = (1/Z) Σ_texts (1/L) Σ_tokens g_i of every expert, [E] by number of block; each sums to 1."""
    known = mixtures(model, task)

    def read(model: nn.Module, batch: Batch) -> Tensor:
        gates, rows = gate_logits(model, known, batch)
        means = [mean_by_row(full_precision(gates[number]).softmax(-1), rows, len(batch)) for number in known]
        return torch.cat(means, dim=1)

    every = over_examples(model, task, examples, run, read, "affinities").double().mean(0)
    parts = every.split([mixture.count for mixture in known.values()])
    return dict(zip(known, parts, strict=True))


def gate_logits(model: nn.Module, known: dict[int, Mixture], batch: Batch) -> tuple[dict[int, Tensor], Tensor]:
    """Return the routers' scores at the tokens of a batch, [n, E] by number of block, and each token's example, [n]."""
    decoder: Any = model
    where = hooks.places(batch)
    with hooks.reading({number: mixture.router for number, mixture in known.items()}, "input") as seen:
        decoder.base_model(input_ids=hooks.tokens(batch), use_cache=False)
    logits = {number: routed(mixture, seen[number], where) for number, mixture in known.items()}
    return logits, where.nonzero()[:, 0]


def routed(mixture: Mixture, inputs: Tensor, where: Tensor) -> Tensor:
    """Return the router's scores at the marked positions, [n, E], of what entered it, [B, T, D] or [B·T, D]."""
    return mixture.logits(inputs.reshape(*where.shape, -1)[where])


def selection_overlap(
    model: nn.Module, original: nn.Module, task: CausalLM, examples: Examples, run: Run
) -> dict[int, float]:
    """Return by block the mean over tokens of |TopK_now ∩ TopK_original| / K, in [0, 1]: how far routing has moved."""
    config: Any = original.config
    most: int = config.num_experts_per_tok

    def chosen(model: nn.Module, batch: Batch) -> dict[int, Tensor]:
        logits, _ = gate_logits(model, mixtures(model, task), batch)
        return {
            number: torch.zeros_like(scores).scatter(1, scores.topk(most).indices, 1.0)
            for number, scores in logits.items()
        }

    def read(model: nn.Module, batch: Batch) -> Tensor:
        now, before = chosen(model, batch), chosen(original, batch)
        rows = hooks.places(batch).nonzero()[:, 0]
        shares = [mean_by_row((now[number] * before[number]).sum(1) / most, rows, len(batch)) for number in now]
        return torch.stack(shares, dim=1)

    lengths = examples.tensor(LENGTH).double()
    shares = over_examples(model, task, examples, run, read, "routing").double()
    means = (shares * lengths.unsqueeze(1)).sum(0) / lengths.sum()
    return dict(zip(mixtures(original, task), means.tolist(), strict=True))
