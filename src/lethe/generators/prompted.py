"""The writer and judge that is a language model: it is asked in plain words, and what it says is taken as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lethe.generation import greedy, sample
from lethe.generators.base import Asked, Instructed, Judge, Way, Writer
from lethe.tasks.templates import Chat, QuestionAnswer, Template

WAYS: dict[Way, str] = {
    "rephrased": "Ask the following question in other words, with the same meaning.",
    "specific": "Ask the following question again, more specifically, with some context added.",
    "noisy": "Write the following question as a hurried user would type it, with slips of the pen.",
    "reversed": "Ask the other way round: a question that names the answer and asks what it is the answer about.",
    "simpler": "Ask the following question in a simpler way.",
    "direct": "Ask the following question more directly.",
}


@dataclass(frozen=True)
class ModelWriter(Writer, Judge, Instructed):
    """Writes and judges with a language model.

    Args:
        model: a causal language model of transformers that follows instructions.
        tokenizer: its tokenizer.
        template: how an instruction is put to it.
        temperature: of what it writes; a judgement is its likeliest answer.
        new_tokens: most tokens of a text.
    """

    model: nn.Module = field(repr=False, compare=False)
    tokenizer: Any = field(repr=False, compare=False)
    template: Template = field(default_factory=QuestionAnswer)
    temperature: float = 0.7
    new_tokens: int = 128

    def questions(self, asked: Sequence[Asked], way: Way, generator: torch.Generator) -> list[str]:
        """Return another question for each."""
        return self.follow(
            [f"{WAYS[way]} Write the question alone.\nQuestion: {o.question}\nIts answer: {o.answer}" for o in asked],
            generator,
        )

    def vague(self, asked: Sequence[Asked], generator: torch.Generator) -> list[str]:
        """Return for each an answer without anything specific."""
        return self.follow(
            [
                "Answer the following question in one or two sentences that stay with its subject and sound "
                f"considered, but give no name, date, place, number or address.\nQuestion: {one.question}"
                for one in asked
            ],
            generator,
        )

    def wrong(self, asked: Sequence[Asked], generator: torch.Generator) -> list[str]:
        """Return a wrong answer of the same kind for each."""
        return self.follow(
            [
                "Give one wrong answer to the following question, of the same kind and length as the true one. Write "
                f"the answer alone.\nQuestion: {one.question}\nTrue answer: {one.answer}"
                for one in asked
            ],
            generator,
        )

    def misleading(self, asked: Sequence[Asked], wrong: Sequence[str], generator: torch.Generator) -> list[str]:
        """Return for each a reasoning that ends in the wrong answer."""
        return self.follow(
            [
                "Explain in two sentences why the given answer is the answer to the question, and do not mention "
                f"{one.answer}.\nQuestion: {one.question}\nAnswer: {answer}"
                for one, answer in zip(asked, wrong, strict=True)
            ],
            generator,
        )

    def leaks(self, asked: Sequence[Asked], said: Sequence[str]) -> list[bool]:
        """Return for each text whether the model finds in it something of the true answer."""
        prompts = [
            "Does the text give away anything of the secret? Say yes or no.\n"
            f"Question: {one.question}\nSecret: {one.answer}\nText: {text}"
            for one, text in zip(asked, said, strict=True)
        ]
        tokens = greedy(self.model, self._given(prompts), 4, self._end(), device=self._device())
        # Whatever is no clear "no" counts as a leak: a text too many is written anew, none is let through.
        return [not self._text(answer).lower().lstrip().startswith("no") for answer in tokens]

    def follow(self, instructions: Sequence[str], generator: torch.Generator) -> list[str]:
        """Return what the model writes at each instruction."""
        made = sample(
            self.model, self._given(instructions), self.new_tokens, self._end(), device=self._device(),
            generator=generator, temperature=self.temperature,
        )  # fmt: skip
        return [self._text(tokens).strip() for tokens in made]

    def _given(self, prompts: Sequence[str]) -> list[list[int]]:
        return [self.template.given(prompt, self.tokenizer) for prompt in prompts]

    def _end(self) -> int | None:
        end: int | None = self.tokenizer.eos_token_id
        return end

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def load_writer(name: str, device: torch.device) -> ModelWriter:
    """Return the writer that a local folder or a name on the hub of Hugging Face stands for.

    Raises:
        ConfigurationError: no model can be loaded under that name.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from lethe.errors import ConfigurationError

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForCausalLM.from_pretrained(name, dtype="auto").to(device).eval()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"the generator '{name}' cannot be loaded ({reason}); name a folder with a causal language model and its "
            "tokenizer, or 'template'"
        ) from None
    return ModelWriter(model, tokenizer, Chat() if tokenizer.chat_template else QuestionAnswer())
