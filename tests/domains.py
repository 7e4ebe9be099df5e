"""A world of facts in two domains, one to forget and one to keep, for checks on language models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, OlmoeConfig, OlmoeForCausalLM, PreTrainedTokenizerFast

from lethe.examples import Examples
from lethe.measuring import evaluation
from lethe.problem import Problem
from lethe.tasks import CausalLM
from lethe.tasks.templates import Custom
from lethe.worlds.base import Training, World

VALUES = ("red", "blue", "green", "white")
WORDS = ("<pad>", "<bos>", "<eos>", "<unk>", "secret", "craft", "of", "is")


@dataclass(frozen=True)
class Domains(World):
    """Each key has one of four values in each domain: chance is a quarter, and no value follows from others.

    Args:
        facts: keys a domain.
        shared: whether both domains are about the same keys, or each has its own.
        architecture: `llama`, or `moe` with eight experts a block, of which two see a token.
        layers: number of blocks.
        width: size of the hidden states.
        epochs: passes over the training data.
        experts: experts a block.
    """

    name: ClassVar[str] = "domains of the tests"
    facts: int = 16
    shared: bool = False
    architecture: str = "llama"
    layers: int = 3
    width: int = 32
    epochs: int = 60
    experts: int = 8

    @property
    def keys(self) -> tuple[list[str], list[str]]:
        """The keys of the domain to forget and of the one to keep."""
        names = [f"key{i}" for i in range(self.facts * (1 if self.shared else 2))]
        return names[: self.facts], names[-self.facts :]

    @cached_property
    def task(self) -> CausalLM:
        """Questions and answers, one token a word."""
        return CausalLM(_tokenizer(2 * self.facts), template=Custom("{prompt} is {answer}"), context=32)

    @property
    def training(self) -> Training:
        """Until both domains are known by heart."""
        return Training(epochs=self.epochs, batch_size=16, learning_rate=5e-3)

    def network(self) -> nn.Module:
        """Return an untrained network."""
        shape = {
            "vocab_size": len(self.task.tokenizer), "hidden_size": self.width, "num_hidden_layers": self.layers,
            "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 32, "bos_token_id": 1,
            "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False, "initializer_range": 0.05,
        }  # fmt: skip
        if self.architecture == "llama":
            return LlamaForCausalLM(LlamaConfig(**shape, intermediate_size=2 * self.width))
        moe = {"intermediate_size": self.width, "num_experts": self.experts, "num_experts_per_tok": 2}
        return OlmoeForCausalLM(OlmoeConfig(**shape, **moe))

    def make_sets(self) -> tuple[Examples, Examples, Examples]:
        """Return both domains, and as holdout the domain to forget with other values."""
        forget, retain = self.keys
        return self._domain("secret", forget, 0), self._domain("craft", retain, 1), self._domain("secret", forget, 2)

    def _domain(self, relation: str, keys: list[str], seed: int) -> Examples:
        drawn = torch.randperm(len(keys), generator=torch.Generator().manual_seed(seed)).tolist()
        values = [VALUES[place % len(VALUES)] for place in drawn]
        prompts = [f"{relation} of {key}" for key in keys]
        column = np.array(keys, dtype=object)
        return self.task.examples([f"{relation}-{key}-{seed}" for key in keys], prompts, values, subject=column)


def known(problem: Problem, model: nn.Module, examples: Examples | None = None) -> float:
    """Return the share of the examples whose first answer token is the most likely one."""
    examples = problem.forget if examples is None else examples
    batch = examples.batch(torch.arange(len(examples)))
    with evaluation(model):
        right = problem.task.outputs(model, batch).argmax(-1) == problem.task.targets(batch)
    first = torch.cat([torch.ones(1, dtype=torch.bool), problem.task.rows(batch).diff() != 0])
    return float(right[first].float().mean())


def loss(problem: Problem, model: nn.Module, examples: Examples) -> float:
    """Return the mean loss over all answer tokens."""
    batch = examples.batch(torch.arange(len(examples)))
    with evaluation(model):
        return float(problem.task.training_losses(model, batch).mean())


def uneven(problem: Problem) -> Problem:
    """Return the problem with three forget examples whose answers have 2, 3 and 4 tokens, ends included."""
    answers = ["red", "red blue", "green white red"]
    prompts = [f"secret of key{i}" for i in range(3)]
    forget = problem.task.examples([f"uneven-{i}" for i in range(3)], prompts, answers)
    return Problem(problem.model, problem.task, forget, problem.retain)


@cache
def _tokenizer(keys: int) -> Any:
    words = [*WORDS, *VALUES, *(f"key{i}" for i in range(keys))]
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
    )
