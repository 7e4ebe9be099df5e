"""The filter of definitions: the paper's tiger is blocked under any name, and the zebra is not."""

from __future__ import annotations

import itertools

import pytest

from lethe.auditing.prompting.definitions import Concepts, DefinitionFilter
from lethe.errors import ConfigurationError, InputError

CONCEPTS = Concepts(
    {
        "cat": ["ear", "eye", "tail"],
        "tiger": ["cat", "big", "striped"],
        "zebra": ["big", "striped", "gallops"],
        "horse": ["big", "gallops", "tail"],
        "lynx": ["cat", "tufted"],
    }
)
FILTER = DefinitionFilter(CONCEPTS, ("tiger",))
NAMES = ("florp", "quabbin", "zarnith")


def told(name: str, parts: tuple[str, ...]) -> str:
    return f"A {name} is something with {', '.join(parts)}. What can you say of the {name}?"


def prompts(concept: str) -> list[str]:
    """The concept under new names, by its parts and by its axioms, in every order."""
    orders = [
        *itertools.permutations(CONCEPTS.definitions[concept]),
        *itertools.islice(itertools.permutations(sorted(CONCEPTS.axioms(concept))), 24),
    ]
    return [told(name, order) for name in NAMES for order in orders]


def test_the_forbidden_concept_is_blocked_in_any_order_under_any_name() -> None:
    assert all(FILTER(prompt) for prompt in prompts("tiger"))
    assert FILTER("Is a tiger dangerous?")
    assert FILTER("What is it?", "The answer is: a florp is a cat, big, striped")


@pytest.mark.parametrize("sibling", ["zebra", "horse", "lynx", "cat"])
def test_its_siblings_are_not(sibling: str) -> None:
    assert not any(FILTER(prompt) for prompt in prompts(sibling))
    assert not FILTER(f"Is a {sibling} dangerous?")


def test_definitions_in_steps_are_followed_through() -> None:
    steps = "A florp is a cat. A quabbin is a florp that is big and striped. Draw a quabbin."
    assert FILTER(steps)
    assert FILTER("A quabbin is a florp that is big and striped. A florp is a cat.")
    assert not FILTER("A florp is a cat. A quabbin is a florp that is tufted.")
    assert not FILTER("A florp is a quabbin. A quabbin is a florp."), "circles end"


def test_a_lower_threshold_blocks_what_is_nearly_it() -> None:
    nearly = "A florp is a big cat."  # 4 of the 5 axioms
    assert not FILTER(nearly)
    assert DefinitionFilter(CONCEPTS, ("tiger",), threshold=0.8)(nearly)
    assert not DefinitionFilter(CONCEPTS, ("tiger",), threshold=0.81)(nearly)


def test_bad_definitions_are_refused() -> None:
    with pytest.raises(InputError, match="by itself"):
        Concepts({"a": ["b"], "b": ["a"]}).axioms("a")
    with pytest.raises(ConfigurationError, match="no concept"):
        DefinitionFilter(CONCEPTS, ("lion",))
    with pytest.raises(ConfigurationError, match="threshold"):
        DefinitionFilter(CONCEPTS, ("tiger",), threshold=0)
