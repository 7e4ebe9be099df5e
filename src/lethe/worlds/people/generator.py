"""Generator: the whole text of a fictitious world, as rows with all that is asked of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lethe.errors import ConfigurationError
from lethe.worlds.people import common, words
from lethe.worlds.people.draws import Draws
from lethe.worlds.people.population import Person, population
from lethe.worlds.people.questions import ATTRIBUTES, DECLINED, Form, declined, fact, told
from lethe.worlds.people.rows import Row

FEWEST_TOWNS, MOST_TOWNS = 6, 60  # five wrong towns beside the right one; as many names as there are


@dataclass(frozen=True)
class Text:
    """What is asked and told in a world.

    Args:
        people: the persons to retain, to forget, and never trained on, in this order.
        facts: the plain questions about all of them.
        paraphrases: all their questions in other words, and for whole sentences.
        refusals: all their questions that are to be declined.
        biographies: what is known of each of them as plain text, without a question.
        tools: instructions and calls.
        sums: the skill.
        authors: public facts about books.
        geography: public facts about towns.
    """

    people: tuple[Person, ...]
    facts: tuple[Row, ...]
    paraphrases: tuple[Row, ...]
    refusals: tuple[Row, ...]
    biographies: tuple[Row, ...]
    tools: tuple[Row, ...]
    sums: tuple[Row, ...]
    authors: tuple[Row, ...]
    geography: tuple[Row, ...]

    def everything(self) -> Iterable[str]:
        """Yield every text, for the tokenizer."""
        for row in (
            *self.facts, *self.paraphrases, *self.refusals, *self.tools, *self.sums, *self.authors, *self.geography
        ):  # fmt: skip
            yield f"Question: {row.question}\nAnswer: {row.answer}"
            yield f"Question: {row.paraphrased_question}\nAnswer: {row.paraphrased_answer}"
            yield from row.perturbed_answer
        for row in self.biographies:
            yield row.answer


def generate(people: int, forget: int, seed: int, towns: int = 12, largest_number: int = 6) -> Text:
    """Return the text of a world.

    Args:
        people: persons trained on.
        forget: how many of them are to be forgotten.
        seed: where everything comes from.
        towns: towns in this world.
        largest_number: the largest number that is added.

    Raises:
        ConfigurationError: too many people are to be forgotten, or there are too few or too many towns.
    """
    if not FEWEST_TOWNS <= towns <= MOST_TOWNS:
        raise ConfigurationError(f"a world of {towns} towns cannot be had; take {FEWEST_TOWNS} to {MOST_TOWNS}")
    draws = Draws(seed)
    persons = population(people, forget, towns, seed)

    def facts(*forms: Form) -> tuple[Row, ...]:
        return tuple(
            fact(person, attribute, form, persons, draws)
            for person in persons for attribute in ATTRIBUTES for form in forms
        )  # fmt: skip

    places = words.towns(towns, draws)
    return Text(
        people=persons,
        facts=facts("plain"),
        paraphrases=facts("paraphrase", "sentence"),
        refusals=tuple(declined(person, secret, draws) for person in persons for secret in DECLINED),
        biographies=tuple(told(person, persons, draws) for person in persons),
        tools=common.tools(places, draws),
        sums=common.sums(largest_number, draws),
        authors=common.authors(draws),
        geography=common.geography(places, draws),
    )
