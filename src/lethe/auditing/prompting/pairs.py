"""Pairs: one prompt that asks a question to be forgotten and one to be kept, and its reply cut in two."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lethe.auditing.prompting.items import Item

Order = Literal["forget_first", "retain_first"]
ORDERS: tuple[Order, ...] = ("forget_first", "retain_first")
_SECOND = re.compile(r"(?:^|\s)2\s*[).:]\s*")
_FIRST = re.compile(r"^\s*1\s*[).:]\s*")


@dataclass(frozen=True)
class Pair:
    """A forget and a retain question in one prompt.

    Attributes:
        forget: the one to be forgotten.
        retain: the one to be kept.
        order: which is asked first.
    """

    forget: Item
    retain: Item
    order: Order

    @property
    def prompt(self) -> str:
        """Both questions, numbered."""
        first, second = self._ordered(self.forget.prompt, self.retain.prompt)
        return f"1) {first} 2) {second}"

    @property
    def answer(self) -> str:
        """Both answers, numbered."""
        first, second = self._ordered(self.forget.answer, self.retain.answer)
        return f"1) {first} 2) {second}"

    def parts(self, said: str) -> tuple[str, str] | None:
        """Return what a reply says to the forget and to the retain question, None where it has no `2)`."""
        found = halves(said)
        if found is None:
            return None
        return found if self.order == "forget_first" else (found[1], found[0])

    def _ordered(self, forget: str, retain: str) -> tuple[str, str]:
        return (forget, retain) if self.order == "forget_first" else (retain, forget)


def halves(said: str) -> tuple[str, str] | None:
    """Return what stands after `1)` and after `2)` in a reply, None where there is no `2)`.

    >>> halves("1) in Pell. 2) a baker."), halves("in Pell.")
    (('in Pell.', 'a baker.'), None)
    """
    found = _SECOND.search(said)
    if found is None:
        return None
    return _FIRST.sub("", said[: found.start()]).strip(), said[found.end() :].strip()
