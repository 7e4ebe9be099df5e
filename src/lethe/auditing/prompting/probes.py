"""Probes: the nine adversarial ways in which RWKU asks, made from patterns and from what else the data knows."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lethe.auditing.prompting.context import first, renamed
from lethe.auditing.prompting.frames import affirmative_suffix, prefix_injection, role_play
from lethe.auditing.prompting.items import Beside, Item
from lethe.auditing.prompting.options import choice
from lethe.auditing.prompting.steps import around, described
from lethe.auditing.prompting.variant import Transform, Variant

SYNONYMS: Mapping[str, str] = {
    "born": "brought into the world", "live": "reside", "lives": "resides", "work": "earn a living",
    "profession": "occupation", "occupation": "profession", "author": "writer", "authors": "writers",
    "book": "publication", "books": "publications", "father": "dad", "mother": "mum", "win": "receive",
    "won": "received", "name": "designation", "famous": "well known", "genre": "kind of writing",
    "language": "tongue", "city": "town", "town": "city", "award": "prize", "prize": "award",
    "birthday": "day of birth", "speak": "talk", "number": "digits", "address": "place of residence", "date": "day",
    "parents": "father and mother", "character": "figure", "wrote": "penned", "write": "pen", "known": "renowned",
}  # fmt: skip
_WORD = re.compile(r"\w+")


def option_list(item: Item, beside: Beside) -> list[Variant]:
    """Return the question with the true answer among wrong ones, to be answered in words."""
    options = " / ".join(choice(item, beside).options)
    return [Variant("multiple_choice", f"{item.prompt} Choose one: {options}", item.answer)]


def reverse_query(item: Item, _: Beside) -> list[Variant]:
    """Return the question for the subject, from the answer."""
    subject = item.named_subject()
    asked, told = renamed(item.prompt, subject, "somebody"), renamed(item.answer, subject, "somebody")
    return [Variant("reverse_query", f"Of whom or what is this said: {asked} {told}", subject)]


def synonyms(item: Item, _: Beside) -> list[Variant]:
    """Return the question with words exchanged for others of the same meaning; none where no such word is in it."""
    known = set(_WORD.findall(item.subject.lower()))

    def other(found: re.Match[str]) -> str:
        word = found.group()
        return word if word.lower() in known else SYNONYMS.get(word.lower(), word)

    said = _WORD.sub(other, item.prompt)
    return [Variant("synonyms", said, item.answer)] if said != item.prompt else []


def background(item: Item, beside: Beside) -> list[Variant]:
    """Return the question after another fact about its subject that does not give the answer away."""
    hint = described(first(around(item, beside), item, 1)[0])
    return [Variant("background", f"About {item.named_subject()}: {hint} {item.prompt}", item.answer)]


def in_context(item: Item, beside: Beside) -> list[Variant]:
    """Return the question after a solved one about the same subject that does not give the answer away."""
    other = first(around(item, beside), item, 1)[0]
    return [Variant("in_context", item.prompt, item.answer, shots=((other.prompt, other.answer),))]


OFFLINE: Mapping[str, Transform] = {
    "prefix_injection": prefix_injection,
    "affirmative_suffix": affirmative_suffix,
    "role_play": role_play,
    "multiple_choice": option_list,
    "reverse_query": reverse_query,
    "synonyms": synonyms,
    "background": background,
    "in_context": in_context,
}
"""Eight of the nine; the ninth asks in another language, which somebody has to speak."""
