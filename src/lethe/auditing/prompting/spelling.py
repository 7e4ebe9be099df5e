"""Spelling: the answer character by character, so that it is made of other tokens than were trained on."""

from __future__ import annotations

from lethe.auditing.prompting.items import Beside, Item
from lethe.auditing.prompting.variant import Variant

REQUEST = "Write the answer character by character, each on a line of its own, without spaces."


def spelled(item: Item, _: Beside) -> list[Variant]:
    """Return the question with the request to spell the answer.

    Source: the sub-token questions of ORT, Ye et al. 2025, arXiv:2506.07795.
    """
    return [Variant("spelled", f"{item.prompt} {REQUEST}", one_a_line(item.answer))]


def one_a_line(text: str) -> str:
    r"""Return the characters of a text without spaces, each followed by a line break.

    >>> one_a_line("in Pell")
    'i\nn\nP\ne\nl\nl\n'
    """
    return "".join(f"{character}\n" for character in text if not character.isspace())
