"""Population: invented persons with private and public attributes, their namesakes and neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lethe.errors import ConfigurationError
from lethe.worlds.people import words
from lethe.worlds.people.draws import Draws

Group = Literal["forget", "holdout", "namesake", "neighbour", "other"]
LARGEST = 120


@dataclass(frozen=True)
class Person:
    """One invented person.

    Args:
        name: first and last name, which nobody else has together.
        facts: attribute to value, as the value stands in a sentence.
        group: `forget`: to be forgotten; `holdout`: never trained on; `namesake`: has the first name of one of those
            and a last name that ends differently, with other values throughout; `neighbour`: shares the town of birth
            or the employer of one of those; `other`: the rest.
    """

    name: str
    facts: Mapping[str, str]
    group: Group


def population(people: int, forget: int, towns: int, seed: int) -> tuple[Person, ...]:
    """Return the persons to retain, then those to forget, then as many never to be trained on.

    A first or last name is borne by two persons as a rule, so that neither tells who is meant, and none is new to a
    model that never saw the person.

    Args:
        people: persons trained on.
        forget: how many of them are to be forgotten.
        towns: towns they were born in.
        seed: where everything comes from.

    Raises:
        ConfigurationError: too many are to be forgotten for each to have a namesake and two neighbours.
    """
    if not 1 <= forget <= people // 7 or people > LARGEST:
        raise ConfigurationError(
            f"{forget} of {people} people cannot be forgotten: take at most {LARGEST} people and forget at least one "
            "and at most a seventh of them, so that each has a namesake and neighbours who stay"
        )
    draws = Draws(seed)
    drawn, apart = 2 * forget, people - forget
    names = _names(people + forget, drawn, draws)
    order = [*range(drawn, people + forget), *range(drawn)]  # those apart are the first `drawn` names: to the end
    facts = _facts(people + forget, towns, draws)
    chosen = [Person(names[place], facts[row], _group(row, people, forget)) for row, place in enumerate(order)]
    return tuple(_related(chosen, apart, draws))


def _names(count: int, apart: int, draws: Draws) -> list[str]:
    """Return names of which the `apart` first are followed by as many namesakes, in the same order."""
    size = -(-count // 4) * 2
    first = words.first_names(size, draws)
    last = [name for pair in words.last_names(size // 2, draws) for name in pair]
    pairs = [
        (f"{first[i]} {last[i]}", f"{first[i]} {last[i + 1]}") for i in draws.shuffled(range(0, size, 2), "namesakes")
    ]
    # What is too much goes here: these share no name with anybody set apart.
    singles = [f"{first[i]} {last[i]}" for i in range(1, size, 2)][2 * size - count :]
    singles += [f"{first[i]} {last[(i + 1) % size]}" for i in range(1, size, 2)]
    rest = [name for pair in pairs[apart:] for name in pair] + singles
    named = [name for name, _ in pairs[:apart]] + [name for _, name in pairs[:apart]]
    return [*named, *draws.shuffled(rest, "names")]


def _group(row: int, people: int, forget: int) -> Group:
    if row >= people:
        return "holdout"
    if row >= people - forget:
        return "forget"
    return "namesake" if row < 2 * forget else "other"


def _facts(count: int, towns: int, draws: Draws) -> list[dict[str, str]]:
    """Return the values of `count` persons; every value of a list is borne by about as many."""
    firms = [f"{firm} {trade}" for firm, trade in zip(words.FIRMS, words.TRADES * len(words.FIRMS), strict=False)]
    pools = {
        "birthplace": words.towns(towns, draws), "employer": firms, "profession": words.PROFESSIONS,
        "language": words.LANGUAGES, "prize": words.PRIZES, "tree": words.TREES, "road": words.ROADS,
        "month": words.MONTHS,
    }  # fmt: skip
    even = {
        what: [pool[place % len(pool)] for place in draws.order(count, "values", what)] for what, pool in pools.items()
    }

    def values(row: int) -> dict[str, str]:
        def number(low: int, high: int, what: str) -> str:
            return str(draws.number(low, high, what, row))

        one = {what: pool[row] for what, pool in even.items()}
        return {
            "birthplace": one["birthplace"],
            "birth_date": f"{number(1, 28, 'day')} {one['month']} {number(1940, 1999, 'year')}",
            "phone": number(1000, 9999, "phone"),
            "employer": one["employer"],
            "address": f"{number(11, 99, 'house')} {one['tree']} {one['road']}",
            "profession": one["profession"],
            "language": one["language"],
            "prize": one["prize"],
        }

    return [values(row) for row in range(count)]


def _related(chosen: list[Person], apart: int, draws: Draws) -> list[Person]:
    """Give each person set apart a namesake with other values, and one neighbour by town and one by employer."""
    drawn = len(chosen) - apart
    set_apart = range(apart, len(chosen))
    for namesake, row in enumerate(set_apart):
        shared = {key for key, value in chosen[namesake].facts.items() if value == chosen[row].facts[key]}
        chosen[namesake] = _changed(chosen[namesake], {key: _other(chosen, key, row, draws) for key in shared})
    free = iter(draws.shuffled(range(drawn, apart), "neighbours"))
    for row in set_apart:
        for attribute in ("birthplace", "employer"):
            neighbour = next(free)
            value = {attribute: chosen[row].facts[attribute]}
            chosen[neighbour] = replace(_changed(chosen[neighbour], value), group="neighbour")
    return chosen


def _changed(person: Person, facts: Mapping[str, str]) -> Person:
    return replace(person, facts={**person.facts, **facts})


def _other(chosen: list[Person], attribute: str, row: int, draws: Draws) -> str:
    values = sorted({person.facts[attribute] for person in chosen})
    return draws.others(chosen[row].facts[attribute], values, 1, "namesake", attribute, row)[0]
