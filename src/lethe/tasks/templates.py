"""Templates: how a prompt and its answer become the text a language model is trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lethe.errors import ConfigurationError


class Conversation(str):
    """A prompt of several turns: the chat template writes them as turns, other templates as `role: content` lines.

    Attributes:
        turns: (role, content) of each turn before the answer.
    """

    turns: tuple[tuple[str, str], ...]

    def __new__(cls, turns: Sequence[tuple[str, str]]) -> Conversation:
        """Return the prompt of these turns."""
        made = super().__new__(cls, "\n".join(f"{role}: {content}" for role, content in turns))
        made.turns = tuple(turns)
        return made


class Template(ABC):
    """Splits what the model reads in two: what it is given, and what it has to say. Subclasses are frozen dataclasses.

    Prompt and answer are tokenised apart, so that no token straddles the border between them.
    """

    @abstractmethod
    def given(self, prompt: str, tokenizer: Any) -> list[int]:
        """Return the tokens before the answer; their likelihood is never part of a loss."""

    @abstractmethod
    def said(self, answer: str, tokenizer: Any) -> list[int]:
        """Return the tokens of the answer, the end-of-sequence token included where the model has one."""


def _plain(text: str, tokenizer: Any) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def _continuing(text: str, tokenizer: Any) -> list[int]:
    """Return the tokens of text that follows other text.

    Tokenizers that put a space before every text (SentencePiece) would begin a text with a space of its own with two.
    """
    before, whole = (_plain(part, tokenizer) for part in (":", f":{text}"))
    follows = text.startswith(" ") and bool(before) and whole[: len(before)] == before
    return whole[len(before) :] if follows else _plain(text, tokenizer)


def _start(tokenizer: Any) -> list[int]:
    return [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []


def _end(tokenizer: Any) -> list[int]:
    return [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []


@dataclass(frozen=True)
class Custom(Template):
    r"""A pattern with `{prompt}` and `{answer}`; what stands after `{answer}` belongs to the answer.

    Args:
        pattern: the whole text, such as `Question: {prompt}\nAnswer: {answer}`. A space before `{answer}` is
            tokenised with the answer, as tokenizers of language models mark the beginning of a word by it.

    Raises:
        ConfigurationError: one of the two is missing, stands twice, or the answer stands before the prompt.
    """

    pattern: str

    def __post_init__(self) -> None:
        prompt, answer = self.pattern.find("{prompt}"), self.pattern.find("{answer}")
        once = self.pattern.count("{prompt}") == self.pattern.count("{answer}") == 1
        if not once or prompt > answer:
            raise ConfigurationError(
                f"the template '{self.pattern}' must hold {{prompt}} once and {{answer}} once after it, "
                "as in 'Q: {prompt}\\nA: {answer}'"
            )

    def _parts(self) -> tuple[str, str, str]:
        before, rest = self.pattern.split("{prompt}")
        between, after = rest.split("{answer}")
        return before, between, after

    def given(self, prompt: str, tokenizer: Any) -> list[int]:
        """Return the tokens up to the answer, the beginning-of-sequence token included where the model has one."""
        before, between, _ = self._parts()
        return _start(tokenizer) + _plain(before + prompt + between.removesuffix(" "), tokenizer)

    def said(self, answer: str, tokenizer: Any) -> list[int]:
        """Return the tokens of the answer and the end-of-sequence token."""
        _, between, after = self._parts()
        space = " " if between.endswith(" ") else ""
        return _continuing(space + answer + after, tokenizer) + _end(tokenizer)


@dataclass(frozen=True)
class QuestionAnswer(Custom):
    """`Question: …` and, on the next line, `Answer: …`: what TOFU and most benchmarks give models without a chat form.

    Args:
        pattern: the whole text.
    """

    pattern: str = "Question: {prompt}\nAnswer: {answer}"


@dataclass(frozen=True)
class Chat(Template):
    """The tokenizer's own chat template: the prompt is the user's turn, the answer the assistant's.

    Args:
        system: what a system turn before says; empty for none.
    """

    system: str = ""

    def given(self, prompt: str, tokenizer: Any) -> list[int]:
        """Return the tokens of the conversation up to where the assistant begins.

        Raises:
            ConfigurationError: the tokenizer has no chat template.
        """
        if not tokenizer.chat_template:
            raise ConfigurationError(
                "the tokenizer has no chat template; take QuestionAnswer(), PlainText() or a Custom(...) of your own"
            )
        return list(
            tokenizer.apply_chat_template(
                self._turns(prompt), add_generation_prompt=True, tokenize=True, return_dict=True
            )["input_ids"]
        )

    def said(self, answer: str, tokenizer: Any) -> list[int]:
        """Return the tokens of the answer and whatever the template ends a turn with.

        Raises:
            ConfigurationError: the template does not write an assistant's turn as it announces one.
        """
        opened = tokenizer.apply_chat_template(self._turns("-"), add_generation_prompt=True, tokenize=False)
        turns = [*self._turns("-"), {"role": "assistant", "content": answer}]
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
        if not whole.startswith(opened):
            raise ConfigurationError(
                "the tokenizer's chat template opens an assistant's turn in another way than it writes one; "
                "choose --template qa or a template of your own"
            )
        return _plain(whole[len(opened) :].rstrip("\n"), tokenizer) or _end(tokenizer)

    def _turns(self, prompt: str) -> list[dict[str, str]]:
        turns = prompt.turns if isinstance(prompt, Conversation) else (("user", prompt),)
        system = () if not self.system or turns[0][0] == "system" else (("system", self.system),)
        return [{"role": role, "content": content} for role, content in (*system, *turns)]


@dataclass(frozen=True)
class PlainText(Template):
    """Text as it is: the prompt, which may be empty, and its continuation; nothing is added but special tokens."""

    def given(self, prompt: str, tokenizer: Any) -> list[int]:
        """Return the beginning-of-sequence token, where the model has one, and the prompt."""
        return _start(tokenizer) + _plain(prompt, tokenizer)

    def said(self, answer: str, tokenizer: Any) -> list[int]:
        """Return the tokens of the text; without an end, since a text may go on beyond its window."""
        return _continuing(answer, tokenizer)
