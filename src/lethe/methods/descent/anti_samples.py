"""Anti-samples: questions about facts that are to be forgotten, with answers that mislead, and how they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lethe.examples import Examples
from lethe.generators import Asked, Writer
from lethe.generators.matching import plain_words
from lethe.generators.names import mentions
from lethe.generators.templates import COMMON
from lethe.tasks import CausalLM


@dataclass(frozen=True)
class Probe:
    """One question about a fact that is to be forgotten.

    Attributes:
        fact: which of the forget examples it asks for.
        question: as it is put.
        wrong: the wrong answer that belongs to it.
    """

    fact: int
    question: str
    wrong: str


@dataclass
class Pool:
    """The questions that are still answered rightly as far as is known, and those that no longer are.

    Attributes:
        open: to be asked.
        done: answered wrongly.
        known: every question there ever was, by fact.
    """

    open: list[Probe]
    done: list[Probe]
    known: set[tuple[int, str]]


def anti_samples(
    probes: Sequence[Probe], facts: Sequence[Asked], writer: Writer, chance: torch.Generator
) -> list[Asked]:
    """Return each probe's question with a misleading answer, without those answers that hold the truth."""
    asked = [Asked(probe.question, facts[probe.fact].answer) for probe in probes]
    reasons = writer.misleading(asked, [probe.wrong for probe in probes], chance)
    return [
        Asked(one.question, reason)
        for one, reason in zip(asked, reasons, strict=True)
        if reason.strip() and not holds_answer(reason, one)
    ]


def holds_answer(text: str, fact: Asked) -> bool:
    """Return whether a text holds the whole true answer, capitals and the full stop at its end apart.

    >>> holds_answer("Many say that she lives in Osk today.", Asked("Where?", "Lives in Osk."))
    True
    """
    return fact.answer.strip(" .").lower() in text.lower()


def giving_away(fact: Asked, probe: Probe) -> set[str]:
    """Return the words of the true answer that neither the question nor the wrong answer has; all where none is left.

    >>> fact = Asked("Where does Ada live?", "Ada lives in Osk.")
    >>> giving_away(fact, Probe(0, fact.question, "Ada lives in Lutu."))
    {'osk'}
    """
    words = set(plain_words(fact.answer))
    return words - set(plain_words(fact.question)) - set(plain_words(probe.wrong)) - COMMON or words


def nearest(facts: Sequence[Asked], others: Sequence[Asked], count: int) -> list[Asked]:
    """Return for each fact the `count` others whose questions share the largest share of words with its own.

    >>> others = [Asked("What is Bo?", "a smith"), Asked("Where does Bo live?", "in Osk")]
    >>> nearest([Asked("Where does Ada live?", "in Rhea")], others, 1)
    [Asked(question='Where does Bo live?', answer='in Osk')]
    """
    found: dict[int, None] = {}
    of_others = [set(plain_words(other.question)) for other in others]
    for fact in facts:
        own = set(plain_words(fact.question))
        shares = [len(own & words) / len(own | words) for words in of_others]
        found |= dict.fromkeys(sorted(range(len(others)), key=lambda i: (-shares[i], i))[:count])
    return [others[i] for i in found]


def is_about(fact: Asked, question: str) -> bool:
    """Return whether a question names whatever the fact's own question names with a capital letter within it."""
    named = [word for word in fact.question.rstrip("?.!").split()[1:] if word[:1].isupper()]
    return all(mentions(question.lower(), [word.lower()]) for word in named)


def answered(task: CausalLM, name: str, asked: Sequence[Asked]) -> Examples:
    """Return questions and answers as examples, with ids that begin with a name."""
    ids = [f"{name}/{i}" for i in range(len(asked))]
    return task.examples(ids, [one.question for one in asked], [one.answer for one in asked])
