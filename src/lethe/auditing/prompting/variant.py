"""Variant: one way to ask for an answer; a transform makes them of an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lethe.auditing.prompting.items import Beside, Item
from lethe.errors import AuditIncomplete

IDENTITY = "identity"


@dataclass(frozen=True)
class Variant:
    """One prompt, and the answer of whoever knows.

    Attributes:
        tag: name of the way of asking, the same for all items.
        prompt: what is asked; a `Conversation` keeps its turns.
        answer: what is to come back.
        begun: the beginning of the reply, put into the model's mouth; empty where it begins itself.
        shots: questions with answers that are solved before.
    """

    tag: str
    prompt: str
    answer: str
    begun: str = ""
    shots: tuple[tuple[str, str], ...] = ()


Transform = Callable[[Item, Beside], Sequence[Variant]]
"""From an item to variants of it, none where it does not apply to the item.

Raises AuditIncomplete, naming what is missing, where something is.
"""


def identity(item: Item, _: Beside) -> list[Variant]:
    """Return the question as it is."""
    return [Variant(IDENTITY, item.prompt, item.answer)]


@dataclass(frozen=True)
class Varied:
    """All ways to ask for some items.

    Attributes:
        of: [N] the variants of each item, the identity first.
        left_out: names of transforms that could not be made, with the reason.
    """

    of: tuple[tuple[Variant, ...], ...]
    left_out: Mapping[str, str]


def varied(items: Sequence[Item], beside: Beside, transforms: Mapping[str, Transform]) -> Varied:
    """Return each item as it is and under every transform that can be made of it.

    One that can be made of no item is left out, with the reason; the same for all models, since none is asked yet.

    Raises:
        AuditIncomplete: none can be made.
    """
    made: list[list[Variant]] = [identity(item, beside) for item in items]
    left_out: dict[str, str] = {}
    for name, transform in transforms.items():
        lacking: list[str] = []
        for own, item in zip(made, items, strict=True):
            try:
                own.extend(transform(item, beside))
            except AuditIncomplete as missing:
                lacking.append(str(missing))
        if len(lacking) == len(items):
            left_out[name] = lacking[0]
    if all(len(own) == 1 for own in made):
        raise AuditIncomplete("; ".join(dict.fromkeys(left_out.values())) or "there is no way of asking to try")
    return Varied(tuple(map(tuple, made)), left_out)
