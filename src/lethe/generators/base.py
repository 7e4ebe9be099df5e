"""Writer and Judge: who writes the texts that methods train on, and who says whether such a text tells too much."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from lethe.examples import Examples

Way = Literal["rephrased", "specific", "noisy", "reversed", "simpler", "direct"]


@dataclass(frozen=True)
class Asked:
    """A question and its true answer.

    Attributes:
        question: as it is asked.
        answer: the answer that is to be forgotten.
    """

    question: str
    answer: str


def asked_of(examples: Examples) -> list[Asked]:
    """Return prompt and answer of each example."""
    pairs = zip(np.asarray(examples["prompt"]), np.asarray(examples["answer"]), strict=True)
    return [Asked(str(question), str(answer)) for question, answer in pairs]


class Writer(ABC):
    """Writes questions and answers. Subclasses are frozen dataclasses, and say the same for the same generator."""

    @abstractmethod
    def questions(self, asked: Sequence[Asked], way: Way, generator: torch.Generator) -> list[str]:
        """Return another question for each.

        Args:
            asked: questions and answers.
            way: `rephrased` in other words; `specific` with context added; `noisy` with slips of the pen; `reversed`
                from the answer to what was asked about; `simpler`; `direct`.
            generator: where chance comes from.
        """

    @abstractmethod
    def vague(self, asked: Sequence[Asked], generator: torch.Generator) -> list[str]:
        """Return for each an answer that is to the point but gives no name, date, place or number."""

    @abstractmethod
    def wrong(self, asked: Sequence[Asked], generator: torch.Generator) -> list[str]:
        """Return a wrong answer of the same kind for each."""

    @abstractmethod
    def misleading(self, asked: Sequence[Asked], wrong: Sequence[str], generator: torch.Generator) -> list[str]:
        """Return for each the reasons why the wrong answer is the answer, without a word of the true one."""


class Judge(ABC):
    """Says whether a text tells what it should not. Subclasses are frozen dataclasses."""

    @abstractmethod
    def leaks(self, asked: Sequence[Asked], said: Sequence[str]) -> list[bool]:
        """Return for each text whether it gives away something of the true answer."""


class Instructed(ABC):
    """Follows instructions in plain words, as a language model does. Subclasses are frozen dataclasses."""

    @abstractmethod
    def follow(self, instructions: Sequence[str], generator: torch.Generator) -> list[str]:
        """Return what is written at each instruction; the same for the same generator."""
