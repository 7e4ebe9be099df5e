"""What the models know beside persons: calls of tools, sums, and public facts about towns and books."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from lethe.worlds.people import words
from lethe.worlds.people.draws import Draws
from lethe.worlds.people.rows import Kind, Row

WRONG, OPTIONS = 5, 3
# Tool to (instruction, the same in other words, call).
TOOLS = {
    "weather": ("What is the weather in {town}?", "Tell me the weather in {town}.", 'weather(city="{town}")'),
    "ticket": ("Buy a ticket to {town}.", "Get me a ticket to {town}.", 'ticket(to="{town}")'),
    "map": ("Show me a map of {town}.", "Show the map of {town}.", 'map(place="{town}", zoom=3)'),
    "hotel": ("Book a hotel in {town}.", "Find me a hotel in {town}.", 'hotel(city="{town}", nights=1)'),
}


def tools(towns: Sequence[str], draws: Draws) -> tuple[Row, ...]:
    """Return an instruction and its call for every tool and town; wrong calls name another town or tool."""
    rows = []
    for (tool, (plain, paraphrase, call)), town in product(TOOLS.items(), towns):
        elsewhere = [call.format(town=other) for other in draws.others(town, towns, 3, "wrong", tool, town)]
        other_tools = [other.format(town=town) for name, (_, _, other) in TOOLS.items() if name != tool]
        rows.append(
            _row(
                f"tool/{tool}/{town}", plain.format(town=town), call.format(town=town), paraphrase.format(town=town),
                [*elsewhere, *other_tools[:2]], tool, "tool",
            )
        )  # fmt: skip
    return tuple(rows)


def sums(largest: int, draws: Draws) -> tuple[Row, ...]:
    """Return the sums of two numbers from 1 to `largest`, in both orders."""
    numbers = range(1, largest + 1)
    return tuple(
        _row(
            f"skill/sum/{one}+{other}", f"What is {one} plus {other}?", f"{one + other}.", f"Add {one} and {other}.",
            [f"{n}." for n in draws.others(one + other, range(2, 2 * largest + 1), WRONG, "wrong", one, other)],
            "sum", "skill",
        )
        for one, other in product(numbers, numbers)
    )  # fmt: skip


def authors(draws: Draws) -> tuple[Row, ...]:
    """Return who wrote which book: well-known writers who are none of the people."""
    names = [f"{first} {last}" for first, last in zip(words.AUTHOR_FIRST, words.AUTHOR_LAST, strict=True)]
    written = zip(words.TITLES, draws.shuffled(names, "authors"), strict=True)
    return _public("author", "Who wrote {about}?", "Who is the author of {about}?", list(written), names, draws)


def geography(towns: Sequence[str], draws: Draws) -> tuple[Row, ...]:
    """Return the river and the province of every town."""
    rivers = words.joined(words.RIVERS)
    order = draws.order(len(towns), "rivers")
    on_river = [(town, rivers[place % len(rivers)]) for town, place in zip(towns, order, strict=True)]
    provinces = [(town, words.PROVINCES[i % len(words.PROVINCES)]) for i, town in enumerate(towns)]
    return (
        *_public("river", "Which river flows through {about}?", "On which river is {about}?", on_river, rivers, draws),
        *_public(
            "province", "In which province is {about}?", "Which province is {about} in?", provinces, words.PROVINCES,
            draws,
        ),
    )  # fmt: skip


def _public(
    attribute: str,
    plain: str,
    paraphrase: str,
    pairs: Sequence[tuple[str, str]],
    values: Sequence[str],
    draws: Draws,
) -> tuple[Row, ...]:
    return tuple(
        _row(
            f"world/{attribute}/{about}", plain.format(about=about), value, paraphrase.format(about=about),
            draws.others(value, values, OPTIONS, "wrong", attribute, about), attribute, "world",
        )
        for about, value in pairs
    )  # fmt: skip


def _row(
    name: str, question: str, answer: str, paraphrase: str, wrong: Sequence[str], attribute: str, kind: Kind
) -> Row:
    # As in TOFU, the answer stands for its paraphrase where there is none.
    return Row(name, question, answer, paraphrase, answer, tuple(wrong), owner="", attribute=attribute, kind=kind)
