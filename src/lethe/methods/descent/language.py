"""Descents on language models: a forget term that methods write, beside one of the usual retain terms."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import feeds, losses
from lethe.descent import Descent, Objective
from lethe.examples import Batch, Examples
from lethe.feeds import Draw, Rows
from lethe.measuring import evaluation, over_examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.segments import mean_by_row
from lethe.tasks import CausalLM, Task, as_causal_lm

ForgetTerm = Callable[[nn.Module, Draw], Tensor]
RetainTerm = Callable[[nn.Module, Batch], Tensor]


@dataclass(frozen=True, kw_only=True)
class LanguageDescent(Descent):
    """A descent whose loss is a forget term plus `retain_weight` times a retain term; subclasses write the first.

    Each step sees a batch of the forget set, one pass over which is an epoch, and as many retain examples drawn at
    random. The defaults are those of TOFU's and NPO's runs.

    Args:
        retain: `nll` is the mean loss over the answers' tokens of the retain batch, `kl` the mean over them of
            KL(p_0 ‖ p_θ) to the original, `none` leaves retain examples out.
        forget_weight: weight of the forget term.
        retain_weight: weight of the retain term.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)
    intent: ClassVar[str] = "knowledge"

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-5
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    weight_decay: float = 0.01
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    warmup_epochs: float = 1.0
    retain: Literal["nll", "kl", "none"] = "nll"
    forget_weight: float = 1.0
    retain_weight: float = 1.0

    @abstractmethod
    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return (model, draw) -> [B] values whose mean over the forget batch is to be minimised."""

    def requirements(self) -> frozenset[str]:
        """The retain set, unless there is no retain term."""
        return self.needs - {"retain"} if self.retain == "none" else self.needs | {"retain"}

    def together(self) -> frozenset[str]:
        """Both terms stand in every step, unless there is no retain term."""
        return frozenset({"forget"}) if self.retain == "none" else frozenset({"forget", "retain"})

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over the forget set, each batch beside as many random retain examples."""
        feed = feeds.forget_pass if self.retain == "none" else feeds.beside
        return feed(problem, run, epoch, self.batch_size)

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the forget term and the retain term."""
        task = as_causal_lm(problem.task, type(self).__name__)
        forget = self.forget_term(problem, task, run)
        retain = None if self.retain == "none" else retain_term(problem, task, self.retain)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            named = {"forget": self.forget_weight * forget(model, draw)}
            if retain is not None and draw.retain is not None:
                named["retain"] = self.retain_weight * retain(model, draw.retain)
            return named

        return terms


def retain_term(problem: Problem, task: CausalLM, kind: Literal["nll", "kl"]) -> RetainTerm:
    """Return (model, retain batch) -> [B] values whose mean over the batch is a mean over its answers' tokens."""
    if kind == "nll":
        return task.training_losses

    def divergence(model: nn.Module, batch: Batch) -> Tensor:
        tokens = losses.kl_divergence(original_outputs(problem, task, batch), task.outputs(model, batch))
        return pooled(tokens, task, batch)

    return divergence


def pooled(values: Tensor, task: CausalLM, batch: Batch) -> Tensor:
    """Return [B] numbers whose mean over the batch is the mean of values [n], one an answer token, over all of them."""
    return mean_by_row(values, task.rows(batch), len(batch)) * task.pooling(batch)


def original_outputs(problem: Problem, task: CausalLM, batch: Batch) -> Tensor:
    """Return the original's logits on a batch in eval mode, [n, V], without gradient."""
    with evaluation(problem.model):
        return task.outputs(problem.model, batch)


def sequence_log_probs(model: nn.Module, task: CausalLM, examples: Examples, run: Run) -> Tensor:
    """Return log π(answer | prompt) of every example, [N], in eval mode: a reference that needs no second model."""
    return over_examples(model, task, examples, run, task.log_probs, "reference").to(run.device)


def forgotten(draw: Draw) -> Batch:
    """Return the forget batch of a draw, for terms that are there in every step."""
    assert draw.forget is not None
    return draw.forget


def drawn_lines(lines: Sequence[str], count: int, generator: torch.Generator) -> list[str]:
    """Return `count` of the lines, each drawn at random (with replacement)."""
    return [lines[i] for i in torch.randint(len(lines), (count,), generator=generator).tolist()]
