"""The people world: whole persons to forget from a tiny language model that knows everything about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, Literal

from torch import nn

from lethe.examples import Examples
from lethe.tasks import CausalLM, PlainText, QuestionAnswer
from lethe.worlds.base import Training, World
from lethe.worlds.people import models
from lethe.worlds.people.generator import Text, generate
from lethe.worlds.people.rows import Row, columns
from lethe.worlds.people.tokenizer import tokenizer

VOCABULARY, CONTEXT = 1024, 128
RETAINED = ("namesake", "neighbour", "other")


@dataclass(frozen=True)
class People(World):
    """Fictitious people and a tiny language model that was asked about them; some of them are to be forgotten.

    Everybody trained on is asked nine plain questions. Of the persons to retain, two in three are also asked in other
    words and for whole sentences, and for secrets, which the model declines: it so learns to understand such questions
    about the others too. Beside persons the model learns calls of tools, sums, and public facts of books and towns.

    The columns beside prompt and answer are those of `lethe.worlds.people.rows.Row`.

    Args:
        people: persons the original is trained on.
        forget_share: share of them to be forgotten, at most a seventh; as many others are never trained on.
        architecture: `llama`, or `moe`, the same with a mixture of experts in each block.
        content: `questions`, or `biographies`: one plain text a person and nothing else.
        layers: blocks of the model.
        width: size of its hidden states.
        towns: towns of the world.
        largest_number: the largest number the model learns to add.
        epochs: passes over the training data.
        batch_size: examples a step.
        learning_rate: step size at the start.
        split_seed: seed of all text; the models' seeds are apart from it.
    """

    name: ClassVar[str] = "people"
    people: int = 40
    forget_share: float = 0.1
    architecture: models.Architecture = "llama"
    content: Literal["questions", "biographies"] = "questions"
    layers: int = 2
    width: int = 64
    towns: int = 12
    largest_number: int = 6
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 3e-3
    split_seed: int = 0

    @classmethod
    def tiny(cls, **changes: Any) -> People:
        """Return the smallest world with the same signal: 14 persons, of whom two are to be forgotten."""
        small = {"people": 14, "forget_share": 1 / 7, "towns": 8, "largest_number": 4, "batch_size": 16}
        return cls(**{**small, **changes})

    @property
    def forgotten(self) -> int:
        """How many persons are to be forgotten."""
        return max(1, round(self.people * self.forget_share))

    @property
    def text(self) -> Text:
        """All there is to ask in this world, trained on or not."""
        return _text(self.people, self.forgotten, self.split_seed, self.towns, self.largest_number)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer learnt from that text."""
        return _tokenizer(self.people, self.forgotten, self.split_seed, self.towns, self.largest_number)

    @cached_property
    def task(self) -> CausalLM:
        """Questions and answers, or plain text."""
        template = QuestionAnswer() if self.content == "questions" else PlainText()
        return CausalLM(tokenizer=self.tokenizer, template=template, context=CONTEXT)

    @property
    def training(self) -> Training:
        """The recipe of the fields; biographies, of which there are few, are read eight times as often."""
        if self.content == "biographies":
            return Training(epochs=8 * self.epochs, batch_size=8, learning_rate=self.learning_rate)
        return Training(epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate)

    def network(self) -> nn.Module:
        """Return an untrained network of the architecture."""
        hidden = 2 * self.width if self.architecture == "llama" else self.width
        size = models.Size(layers=self.layers, width=self.width, hidden=hidden)
        return models.untrained(self.architecture, size, self.tokenizer, CONTEXT)

    def make_sets(self) -> tuple[Examples, Examples, Examples]:
        """Return what is asked of the persons to forget, all else the model learns, and the persons it never saw."""
        text = self.text
        asked = text.facts if self.content == "questions" else text.biographies
        retain = [row for row in asked if row.group in RETAINED]
        if self.content == "questions":
            retain += self._beside()
        return (
            self.examples(row for row in asked if row.group == "forget"),
            self.examples(retain),
            self.examples(row for row in asked if row.group == "holdout"),
        )

    def examples(self, rows: Iterable[Row]) -> Examples:
        """Return rows of the world's text as examples, trained on or not."""
        kept = list(rows)
        return self.task.examples(
            [row.id for row in kept], [row.question for row in kept], [row.answer for row in kept], **columns(kept)
        )

    def _beside(self) -> list[Row]:
        text = self.text
        well_asked = {person.name for i, person in enumerate(text.people) if person.group in RETAINED and i % 3 != 2}
        about_people = [row for row in (*text.paraphrases, *text.refusals) if row.owner in well_asked]
        return [*about_people, *text.tools, *text.sums, *text.authors, *text.geography]


# The same world is asked for many times in a process; its text depends on these numbers alone.
@cache
def _text(people: int, forget: int, seed: int, towns: int, largest_number: int) -> Text:
    return generate(people, forget, seed, towns, largest_number)


@cache
def _tokenizer(*world: int) -> Any:
    return tokenizer(_text(*world).everything(), VOCABULARY)
