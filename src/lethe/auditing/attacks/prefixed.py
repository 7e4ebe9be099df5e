"""Prefixed: what a language model answers when a row of embeddings stands before every prompt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe import hooks
from lethe.auditing.attacks.regained import Regaining, shares
from lethe.errors import AuditIncomplete, ConfigurationError
from lethe.examples import Batch, Examples
from lethe.measuring import over_examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.segments import mean_by_row
from lethe.tasks import CausalLM, Task


@dataclass(frozen=True, kw_only=True)
class Prefixing(Regaining):
    """An attack that seeks a beginning for all prompts on one half of the forget set, and measures the other half.

    Args:
        measure: `probability` or `accuracy`, of the answers after the prompts that begin so.
        length: tokens of the beginning.
        steps: steps of the search; 0 measures the plain prompts.
        looks: how often to look on the way, the last step included.
    """

    measure: Literal["probability", "accuracy"] = "probability"
    length: int = 5
    steps: int = 20
    looks: int = 2

    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("length", 1), ("steps", 0), ("looks", 1)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} must be at least {least}, not {getattr(self, name)}")

    def halves(self, problem: Problem, task: CausalLM, run: Run) -> tuple[Examples, Examples]:
        """Return the half to search on, and those of the other half that are looked at.

        Raises:
            AuditIncomplete: there is only one forget example, or no room before the longest.
        """
        forget = problem.forget
        if len(forget) < 2:
            raise AuditIncomplete(f"{self.title} needs two forget examples, one to search on and one to look at")
        if int(task.sizes(forget.columns).max()) + self.length > task.context:
            raise AuditIncomplete(f"{self.title}: the longest forget example leaves no room for {self.length} tokens")
        own = forget.sample(len(forget) // 2, run.generator("half to search on"))
        return own, self.sample(forget.without(own.ids), run)

    def after(self, model: nn.Module, task: CausalLM, examples: Examples, prefix: Tensor, run: Run) -> Tensor:
        """Return what is measured of each example behind a prefix [n, D] on the device."""

        def read(model: nn.Module, batch: Batch) -> Tensor:
            logits, targets = prefixed_outputs(model, task, batch, prefix), task.targets(batch)
            rows, hits = task.rows(batch), (logits.argmax(-1) == targets).float()
            right = mean_by_row(hits, rows, len(batch)) * task.answer_lengths(batch)
            return torch.stack([right, task.answer_lengths(batch), task.losses_from(logits, batch)], 1).double()

        right, said, losses = over_examples(model, task, examples, Run(device=run.device), read, "looking").unbind(1)
        return losses.neg().exp() if self.measure == "probability" else shares(right, said)

    def look_at(self, step: int) -> bool:
        """Whether to look after this step, counted from 1."""
        return step in {round(self.steps * look / self.looks) for look in range(1, self.looks + 1)}


def embeddings(model: nn.Module) -> nn.Module:
    """Return the module that maps tokens to what the first block reads."""
    language_model: Any = model
    found: nn.Module = language_model.get_input_embeddings()
    return found


def prefixed_outputs(model: nn.Module, task: CausalLM, batch: Batch, prefix: Tensor) -> Tensor:
    """Return the logits that predict the answers' tokens behind a prefix, [n, V], as `CausalLM.outputs` without one.

    The prefix stands before each prompt, or after its beginning-of-sequence token where there is one.

    Args:
        model: the model.
        task: how it is fed.
        batch: B examples.
        prefix: embeddings, [n, D] for all examples or [B, n, D].
    """
    tokens, said = hooks.tokens(batch), hooks.places(batch, "answer")
    start = int(bool((tokens[:, 0] == _start(task)).all()))
    embedded = embeddings(model)(tokens)
    before = prefix.to(embedded).expand(len(batch), -1, -1)
    inputs = torch.cat([embedded[:, :start], before, embedded[:, start:]], 1)
    # A token is predicted at the place before its own, which the prefix has moved by its length.
    where = F.pad(said[:, 1:], (before.shape[1], 1))
    with _selecting(task.head(model), where):
        logits: Tensor = model(inputs_embeds=inputs, use_cache=False)["logits"]
    return logits


def _start(task: CausalLM) -> int:
    start = task.tokenizer.bos_token_id
    return -1 if start is None else int(start)


@contextmanager
def _selecting(head: nn.Module, where: Tensor) -> Iterator[None]:
    """Let the head see only the marked positions."""
    handle = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][where],))
    try:
        yield
    finally:
        handle.remove()
