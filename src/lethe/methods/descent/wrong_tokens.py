"""Wrong tokens: teach a language model random or adversarial next tokens on the text to be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import losses
from lethe.examples import Batch, Examples
from lethe.feeds import Draw
from lethe.measuring import over_examples
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS


@dataclass(frozen=True, kw_only=True)
class WrongTokens(LanguageDescent):
    """Random labels and adversarial samples for pre-trained models: min E_t[-log p_θ(a_t | x_<t)], the a_t wrong.

    The model reads the true text and is taught other tokens at its positions, the same in all epochs.

    Args:
        tokens: `random` draws a_t from the vocabulary and leaves special tokens as they are; `adversarial` takes the
            original's likeliest token but x_t.
        batch_size: sequences a step: one or a few large steps are an epoch.
        retain: the published runs see the text to be forgotten alone.

    Source: Yao et al. 2024, arXiv:2402.15159, section 4 and the settings of its code.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    aims: ClassVar[str] = "suppression"

    epochs: int = 1
    batch_size: int = 480
    learning_rate: float = 2e-5
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup_epochs: float = 0.03
    retain: Literal["nll", "kl", "none"] = "none"
    tokens: Literal["random", "adversarial"] = "random"

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the loss of the wrong tokens of each example."""
        if self.tokens == "random":
            wrong = random_tokens(task, problem.forget, run.generator("wrong tokens"))
        else:
            wrong = adversarial_tokens(problem.model, task, problem.forget, run)

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            taught = batch.with_column(TOKENS, wrong[batch.rows].to(batch.tensor(TOKENS).device))
            return task.training_losses_from(task.outputs(model, batch), taught)

        return term


def random_tokens(task: CausalLM, examples: Examples, generator: torch.Generator) -> Tensor:
    """Return tokens drawn from the whole vocabulary, [N, T], with special tokens where the examples have them."""
    true = examples.tensor(TOKENS)
    drawn = torch.randint(len(task.tokenizer), true.shape, generator=generator, dtype=true.dtype)
    special = torch.isin(true, torch.tensor(task.tokenizer.all_special_ids, dtype=true.dtype))
    return torch.where(special, true, drawn)


def adversarial_tokens(model: nn.Module, task: CausalLM, examples: Examples, run: Run) -> Tensor:
    """Return argmax_{a≠x_t} p(a | x_<t) at the answers' positions and the true tokens elsewhere, [N, T]."""
    # Rows of the head beyond the tokenizer's vocabulary are padding of the matrix: no token is there to be taught.
    known = len(task.tokenizer)

    def other(model: nn.Module, batch: Batch) -> Tensor:
        tokens = batch.tensor(TOKENS).clone()
        likeliest = losses.likeliest_other(task.outputs(model, batch)[:, :known], task.targets(batch))
        tokens[answer_positions(batch)] = likeliest.to(tokens.dtype)
        return tokens

    return over_examples(model, task, examples, run, other, "adversarial tokens")


def answer_positions(batch: Batch) -> Tensor:
    """Return which tokens of each sequence the model has to say, [B, T] bool."""
    tokens = batch.tensor(TOKENS)
    position = torch.arange(tokens.shape[1], device=tokens.device)
    first = batch.tensor(ANSWER_FROM).clamp_min(1).unsqueeze(1)
    return (position >= first) & (position < batch.tensor(LENGTH).unsqueeze(1))
