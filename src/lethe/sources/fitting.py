"""Fitting: what becomes of examples that are longer than the context; no answer is ever cut."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

from lethe.errors import ConfigurationError, InputError, LetheWarning, nearest
from lethe.sources.texts import Texts
from lethe.sources.windows import first_that, windows
from lethe.tasks import CausalLM
from lethe.tasks.templates import Conversation

TooLong = Literal["error", "drop", "cut-prompt"]


def too_long_named(name: str) -> TooLong:
    """Return the choice of that name; raises ConfigurationError where there is none."""
    for choice in get_args(TooLong):
        if name == choice:
            return choice
    raise ConfigurationError(f"--too-long {name}: there is no such choice{nearest(name, get_args(TooLong))}")


@dataclass(frozen=True)
class Fitting:
    """Brings examples to the length that the model reads.

    Args:
        task: how they are tokenised, and the context.
        too_long: `error` refuses examples that are longer; `drop` leaves them out; `cut-prompt` cuts their prompts from
            the left, and refuses them where the answer alone is longer.
    """

    task: CausalLM
    too_long: TooLong = "error"

    def fit(self, texts: Texts, option: str) -> Texts:
        """Return the examples that fit; plain texts are cut in windows.

        Args:
            texts: the examples.
            option: the option they came from, for messages.

        Raises:
            InputError: an answer has no token that can be predicted; an example is too long and may be neither dropped
                nor cut; or none is left.

        Warns:
            LetheWarning: how many examples were dropped or cut.
        """
        given, said = self._lengths(texts)
        for row, (before, after) in enumerate(zip(given, said, strict=True)):
            if not after or before + after < 2:
                raise InputError(
                    f"{texts.places[row]}: has no token that could be predicted; write a longer text or remove the row"
                )
        if texts.plain:
            return self._in_windows(texts)
        lengths = [before + after for before, after in zip(given, said, strict=True)]
        long = {row: length for row, length in enumerate(lengths) if length > self.task.context}
        if not long:
            return texts
        if self.too_long == "drop":
            return self._without(texts, long, option)
        if self.too_long == "cut-prompt":
            return self._cut(texts, long, option)
        mend = "drop them with --too-long drop, or cut their prompts with --too-long cut-prompt"
        raise InputError(self._complaint(texts, long, mend))

    def _without(self, texts: Texts, long: Mapping[int, int], option: str) -> Texts:
        kept = [row for row in range(len(texts)) if row not in long]
        if not kept:
            raise InputError(self._complaint(texts, long, "give shorter examples, or a model of a longer context"))
        self._warn(f"{option}: dropped {len(long)} of {len(texts)} examples, which have more than")
        return texts.take(kept)

    def _cut(self, texts: Texts, long: Mapping[int, int], option: str) -> Texts:
        prompts = list(texts.prompts)
        hopeless = {}
        for row, length in long.items():
            prompt, fits = prompts[row], partial(self._fits, texts.answers[row])
            # A conversation has no left to cut from without breaking a turn.
            if isinstance(prompt, Conversation) or not fits(""):
                hopeless[row] = length
            else:
                prompts[row] = prompt[first_that(partial(_from, prompt, fits), 0, len(prompt)) :]
        if hopeless:
            raise InputError(
                self._complaint(texts, hopeless, "their answers are not cut; drop them with --too-long drop")
            )
        self._warn(
            f"{option}: cut the prompts of {len(long)} of {len(texts)} examples from the left, which had more than"
        )
        return replace(texts, prompts=tuple(prompts))

    def _in_windows(self, texts: Texts) -> Texts:
        rows: list[int] = []
        ids: list[str] = []
        pieces: list[str] = []
        for row, text in enumerate(texts.answers):
            cut = windows(text, lambda piece: self._tokens("", piece) <= self.task.context)
            # Where there is no beginning-of-sequence token, a last piece of one token is predicted from nothing.
            cut = [piece for piece in cut if piece.strip() and self._tokens("", piece) > 1]
            pieces += cut
            rows += [row] * len(cut)
            ids += [texts.ids[row]] if len(cut) == 1 else [f"{texts.ids[row]}/{number}" for number in range(len(cut))]
        return replace(texts.take(rows), ids=tuple(ids), answers=tuple(pieces))

    def _lengths(self, texts: Texts) -> tuple[list[int], list[int]]:
        """Return the tokens before each answer, and those of the answer."""
        template, tokenizer = self.task.template, self.task.tokenizer
        given = [len(template.given(prompt, tokenizer)) for prompt in texts.prompts]
        return given, [len(template.said(answer, tokenizer)) for answer in texts.answers]

    def _tokens(self, prompt: str, answer: str) -> int:
        template, tokenizer = self.task.template, self.task.tokenizer
        return len(template.given(prompt, tokenizer)) + len(template.said(answer, tokenizer))

    def _fits(self, answer: str, prompt: str) -> bool:
        return self._tokens(prompt, answer) <= self.task.context

    def _complaint(self, texts: Texts, long: Mapping[int, int], mend: str) -> str:
        first, length = next(iter(long.items()))
        return (
            f"{texts.places[first]}: '{texts.ids[first]}' has {length} tokens, but the context is "
            f"{self.task.context}; too long are {len(long)} of {len(texts)} examples; {mend}"
        )

    def _warn(self, what: str) -> None:
        warnings.warn(f"{what} the {self.task.context} tokens of the context", LetheWarning, 3)


def _from(prompt: str, fits: Callable[[str], bool], start: int) -> bool:
    return fits(prompt[start:])
