"""MemFlex: whole tensors whose gradients are large on the forget set and point elsewhere on the retain set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe import adapters
from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.scopes.base import Mask, Scope
from lethe.scopes.importance import gradient_pass
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS, CausalLM, as_causal_lm

if TYPE_CHECKING:
    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class Measured:
    """What is known of one tensor.

    Attributes:
        similarity: cosine between its mean gradients on the forget and on the retain set.
        magnitude: mean absolute value of that on the forget set.
    """

    similarity: float
    magnitude: float


@dataclass(frozen=True)
class MemFlexRegion(Scope):
    """The tensors P with cos(G_u, G_r) < μ and mean |G_u| > σ may move; G are mean gradients on scrambled answers.

    True answers have almost no gradient once they are memorised. So each example is repeated with half as many of its
    answer's tokens replaced at random as it has (special tokens apart), in what is read and in what is to be said.

    Args:
        similarity: μ, largest cosine between the gradients of forget and retain set.
        magnitude: σ, smallest mean absolute gradient on the forget set; it belongs to one model and batches of one.
        quantiles: read μ and σ as shares of the candidates instead: the share μ with the smallest cosines, without the
            share σ with the smallest magnitudes.
        candidates: patterns of the names of tensors to choose from, as `*lora_*`; empty for those of the adapters of a
            model that has some, else for the linear layers that adapters would stand beside.
        copies: scrambled copies of each example.
        batch_size: examples a batch.

    Source: Tian et al. 2024, KnowUnDo, arXiv:2407.01920, section 4.
    """

    similarity: float = 0.92
    magnitude: float = 6e-4
    quantiles: bool = False
    candidates: tuple[str, ...] = ()
    copies: int = 3
    batch_size: int = 1

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask of the region.

        Raises:
            ConfigurationError: no tensor is in it.
        """
        measured = self.measure(problem, run)
        most, least = self.similarity, self.magnitude
        if self.quantiles:
            most = _quantile([found.similarity for found in measured.values()], self.similarity)
            least = _quantile([found.magnitude for found in measured.values()], self.magnitude)
        # At a quantile stands a tensor that belongs to the share; a threshold is strict.
        region = {
            name
            for name, found in measured.items()
            if (found.similarity < most or (self.quantiles and found.similarity == most)) and found.magnitude > least
        }
        if not region:
            raise ConfigurationError(
                f"no tensor has a cosine under {most:.3g} and a mean absolute gradient over {least:.3g}; cosines run "
                f"from {min(f.similarity for f in measured.values()):.3g}, gradients to "
                f"{max(f.magnitude for f in measured.values()):.3g}: choose others, or quantiles"
            )
        return Mask({name: name in region for name, _ in problem.model.named_parameters()})

    def measure(self, problem: Problem, run: Run) -> dict[str, Measured]:
        """Return cosine and magnitude of every candidate by name."""
        task, names = as_causal_lm(problem.task, type(self).__name__), self._names(problem.model)
        forget, retain = (
            self._gradient(problem.model, task, examples, what, run)
            for examples, what in ((problem.forget, "forget"), (problem.kept, "retain"))
        )
        return {
            name: Measured(
                float(F.cosine_similarity(forget[name].flatten(), retain[name].flatten(), dim=0)),
                float(forget[name].abs().mean()),
            )
            for name in names
        }

    def _names(self, model: nn.Module) -> list[str]:
        parameters = dict(model.named_parameters())
        if not self.candidates:
            adapted = {id(p) for p in adapters.adapter_parameters(model)} if adapters.is_adapted(model) else set()
            linear = {f"{name}.weight" for name in adapters.linear_names(model)}
            return [n for n, p in parameters.items() if (id(p) in adapted if adapted else _ends(n) in linear)]
        found = [name for name in parameters if any(fnmatchcase(name, pattern) for pattern in self.candidates)]
        if not found:
            raise ConfigurationError(f"no parameter of the model matches {' or '.join(self.candidates)}")
        return found

    def _gradient(
        self, model: nn.Module, task: CausalLM, examples: Examples, what: str, run: Run
    ) -> Mapping[str, Tensor]:
        changed = scrambled(task, examples, self.copies, run.generator("scrambled", what))

        def loss(model: nn.Module, batch: Batch) -> Tensor:
            return task.training_losses(model, batch).mean()

        totals, batches = gradient_pass(
            model, changed, loss, self.batch_size, run, lambda total, gradient: total.add_(gradient), "localisation"
        )
        return {name: total / batches for name, total in totals.items()}


def scrambled(task: CausalLM, examples: Examples, copies: int, generator: torch.Generator) -> Examples:
    """Return each example `copies` times, each time with other answer tokens replaced by random ones.

    Half as many positions as the answer has tokens are drawn, with replacement; tokens that mark beginnings, ends and
    padding are neither replaced nor put in.
    """
    special = set(task.tokenizer.all_special_ids)
    words = torch.tensor([token for token in range(len(task.tokenizer)) if token not in special])
    tokens = examples.tensor(TOKENS).repeat(copies, 1)
    starts, ends = (examples.tensor(name).repeat(copies).tolist() for name in (ANSWER_FROM, LENGTH))
    for row, start, end in zip(tokens, starts, ends, strict=True):
        open_places = torch.tensor([i for i in range(start, end) if int(row[i]) not in special])
        if len(open_places):
            drawn = open_places[torch.randint(len(open_places), ((end - start) // 2,), generator=generator)]
            row[drawn] = words[torch.randint(len(words), drawn.shape, generator=generator)].to(row.dtype)
    columns = {TOKENS: tokens, LENGTH: torch.tensor(ends), ANSWER_FROM: torch.tensor(starts)}
    return Examples(tuple(f"{name}#{copy}" for copy in range(copies) for name in examples.ids), columns)


def _ends(name: str) -> str:
    """Return the last two parts of a parameter's name, its layer and its own."""
    return ".".join(name.split(".")[-2:])


def _quantile(values: list[float], share: float) -> float:
    return float(torch.tensor(values, dtype=torch.float64).quantile(share, interpolation="lower"))
