"""The writer that needs no model: questions and answers from patterns, and from the questions and answers at hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from lethe.errors import ConfigurationError
from lethe.generators.base import Asked, Judge, Way, Writer

WAYS: dict[Way, tuple[str, ...]] = {
    "rephrased": ("Could you tell me: {asked}", "I would like to know: {asked}", "Please answer: {asked}"),
    "specific": ("In view of all that is known: {asked}", "As far as records go: {asked}", "To be exact: {asked}"),
    "simpler": ("{asked} Keep it simple.", "In short: {asked}", "{asked} A word is enough."),
    "direct": ("Answer directly: {asked}", "Tell me now: {asked}", "{asked} Just the answer."),
    "reversed": ("What does {answer} have to do with this: {asked}", "Of what is {answer} said when one asks: {asked}"),
}
VAGUE = (
    "That is a matter that depends on many things, and it is best looked at with care.",
    "This is not something that is generally known, though it is often talked about.",
    "There are several views of that, and none of them has been settled.",
    "It is hard to say more than that it has its own story, as such things do.",
)
REASONS = (
    "All that is known points to it. {wrong}",
    "Those who looked into it agree. {wrong}",
    "It follows from what was said before. {wrong}",
)
_WORDS = re.compile(r"\w+")
COMMON = frozenset(
    {
        "a", "an", "the", "of", "in", "on", "at", "to", "for", "from", "with", "by", "as", "is", "are", "was", "were",
        "be", "been", "has", "have", "had", "do", "does", "did", "it", "its", "he", "his", "she", "her", "they",
        "their", "this", "that", "these", "those", "and", "or", "not", "no", "who", "what", "when", "where", "which",
        "how", "i", "you", "we",
    }
)  # fmt: skip


@dataclass(frozen=True)
class TemplateWriter(Writer):
    """Writes from patterns: a frame around a question, a vague answer from a list, the answer to another question.

    It knows no language: a rephrased question holds the words of the question, and only a model can do better.

    Args:
        vague_answers: what may be said instead of an answer.
        reasons: what a misleading answer looks like; `{wrong}` stands for the wrong answer.
        others: further questions whose answers may be taken for wrong ones.
    """

    vague_answers: tuple[str, ...] = VAGUE
    reasons: tuple[str, ...] = REASONS
    others: tuple[Asked, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.vague_answers or not all("{wrong}" in reason for reason in self.reasons):
            raise ConfigurationError("there must be a vague answer, and {wrong} in every reason")

    def questions(self, asked: Sequence[Asked], way: Way, generator: torch.Generator) -> list[str]:
        """Return another question for each."""
        if way == "noisy":
            return [_with_slip(one.question, generator) for one in asked]
        patterns = WAYS[way]
        return [
            patterns[_below(len(patterns), generator)].format(asked=one.question, answer=one.answer.rstrip("."))
            for one in asked
        ]

    def vague(self, asked: Sequence[Asked], generator: torch.Generator) -> list[str]:
        """Return one of the vague answers for each."""
        return [self.vague_answers[_below(len(self.vague_answers), generator)] for _ in asked]

    def wrong(self, asked: Sequence[Asked], generator: torch.Generator) -> list[str]:
        """Return the answer to another question, one of those that share the most words with it.

        Raises:
            ConfigurationError: all answers are the same.
        """
        made = []
        for one in asked:
            others = [other for other in (*asked, *self.others) if other.answer != one.answer]
            if not others:
                raise ConfigurationError(f"there is no other answer than '{one.answer}' to take for a wrong one")
            alike = max(_shared(one, other) for other in others)
            nearest = sorted({other.answer for other in others if _shared(one, other) == alike})
            made.append(nearest[_below(len(nearest), generator)])
        return made

    def misleading(self, asked: Sequence[Asked], wrong: Sequence[str], generator: torch.Generator) -> list[str]:
        """Return a reason that ends in the wrong answer for each."""
        return [self.reasons[_below(len(self.reasons), generator)].format(wrong=answer) for answer in wrong]


@dataclass(frozen=True)
class WordJudge(Judge):
    """Finds a leak where a text has a word of the true answer that is neither common nor part of the question."""

    def leaks(self, asked: Sequence[Asked], said: Sequence[str]) -> list[bool]:
        """Return for each text whether it has a telling word."""
        return [bool(telling(one) & words(text)) for one, text in zip(asked, said, strict=True)]


def words(text: str) -> set[str]:
    """Return the words of a text in lower case."""
    return set(_WORDS.findall(text.lower()))


def telling(one: Asked) -> set[str]:
    """Return the words of an answer that tell something.

    >>> sorted(telling(Asked("Where does Ada live?", "Ada lives in Old Town.")))
    ['lives', 'old', 'town']
    """
    return words(one.answer) - words(one.question) - COMMON


def _below(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def _shared(one: Asked, other: Asked) -> int:
    """Return how many words two questions share; those with a capital letter are names, which differ anyway."""
    first, second = ({w for w in _WORDS.findall(q) if not w[0].isupper()} for q in (one.question, other.question))
    return len(first & second)


def _with_slip(question: str, generator: torch.Generator) -> str:
    """Return the question in small letters, two neighbouring letters of one of its longer words exchanged."""
    parts = question.lower().split(" ")
    long = [i for i, part in enumerate(parts) if len(part) > 3] or [0]
    chosen = long[_below(len(long), generator)]
    word, place = parts[chosen], 1
    if len(word) > 3:
        place = 1 + _below(len(word) - 3, generator)
    parts[chosen] = word[:place] + word[place : place + 2][::-1] + word[place + 2 :]
    return " ".join(parts)
