"""Options: multiple choice, lettered or by likelihood, and options exchanged for words of what is to be forgotten."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lethe.auditing.prompting.items import Beside, Item
from lethe.auditing.prompting.variant import Variant
from lethe.errors import AuditIncomplete
from lethe.generators.templates import words

LETTERS = "ABCDEFGH"
_LETTER = re.compile(r"(?:^|answer(?: is)?:? ?|\()([A-H])(?=[\s).:,]|$)")


@dataclass(frozen=True)
class Choice:
    """A question with options.

    Attributes:
        item: the question.
        options: texts, all different.
        right: place of the true answer.
    """

    item: Item
    options: tuple[str, ...]
    right: int

    @property
    def prompt(self) -> str:
        """The question with its lettered options, each on a line of its own."""
        lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, self.options, strict=False)]
        return "\n".join([self.item.prompt, *lines])

    @property
    def letter(self) -> str:
        """The letter of the true answer."""
        return LETTERS[self.right]


def choice(item: Item, beside: Beside, options: int = 4) -> Choice:
    """Return the question with its wrong answers as options, in an order drawn for it.

    Wrong answers are the data's; where it has none, those to other questions that share most words with it.

    Raises:
        AuditIncomplete: there is no wrong answer.
    """
    wrong = list(dict.fromkeys(text for text in item.wrong if text != item.answer)) or _borrowed(item, beside)
    chosen = [item.answer, *wrong[: options - 1]]
    order = beside.order(len(chosen), "options", item.id)
    return Choice(item, tuple(chosen[i] for i in order), order.index(0))


def swapped(given: Choice, keyword: str, beside: Beside) -> Choice:
    """Return the choice with one wrong option, drawn evenly, replaced by a keyword; the truth stays where it is.

    Raises:
        AuditIncomplete: the keyword is an option already.

    Source: Thaker et al. 2024, arXiv:2410.02879 (swapped WMDP).
    """
    if keyword in given.options:
        raise AuditIncomplete(f"'{keyword}' is an option of '{given.item.id}' already")
    wrong = [i for i in range(len(given.options)) if i != given.right]
    place = wrong[beside.order(len(wrong), "swap", given.item.id)[0]]
    return replace(given, options=(*given.options[:place], keyword, *given.options[place + 1 :]))


def lettered(item: Item, beside: Beside) -> list[Variant]:
    """Return the question as a multiple choice, to be answered with the letter."""
    made = choice(item, beside)
    return [Variant("multiple_choice", f"{made.prompt}\nAnswer with the letter of the right option.", made.letter)]


def option_variants(made: Choice, tag: str = "option") -> list[Variant]:
    """Return the question with each option as its answer, to be read by likelihood."""
    return [Variant(tag, made.item.prompt, option) for option in made.options]


def parsed_letter(text: str) -> str | None:
    """Return the letter a reply chooses, None where it chooses none.

    >>> parsed_letter("B. in Pell"), parsed_letter("The answer is C"), parsed_letter("I do not know"), parsed_letter("")
    ('B', 'C', None, None)
    """
    found = _LETTER.search(text.strip())
    return found.group(1) if found else None


def _borrowed(item: Item, beside: Beside) -> list[str]:
    """Return the answers to other questions, those first whose questions share most words with the item's."""
    asked = words(item.prompt) - words(item.subject)
    others = [one for one in beside.forget + beside.retain if one.answer != item.answer]
    if not others:
        raise AuditIncomplete("needs wrong answers; give a column perturbed_answer with a list of them")
    order = [others[i] for i in beside.order(len(others), "borrowed", item.id)]
    order.sort(key=lambda one: -len(asked & words(one.prompt)))
    # What stands in an answer beside the subject is what makes it another answer.
    return list(dict.fromkeys(_about(one, item) for one in order if _about(one, item) != item.answer))


def _about(other: Item, item: Item) -> str:
    """Return another item's answer, told about this item's subject where both are known."""
    return other.answer.replace(other.subject, item.subject) if other.subject and item.subject else other.answer
