"""Translating: the question in another language, by a model or word by word from a dictionary."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from lethe.auditing.prompting.items import Beside, Item
from lethe.auditing.prompting.variant import Transform, Variant
from lethe.errors import InputError

LANGUAGES = (
    "Arabic", "Bengali", "Czech", "Farsi", "French", "German", "Hindi", "Korean", "Telugu", "Turkish", "Vietnamese",
)  # fmt: skip
REQUEST = "Translate the following question into {language}; leave names as they are. Write the translation alone."
IN_ENGLISH = "(Answer in English.)"
_WORD = re.compile(r"\w+")


def read_dictionary(path: str) -> dict[str, str]:
    """Return the JSON object of a file, from word to word.

    Raises:
        InputError: the file cannot be read, or is no object of texts.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the dictionary cannot be read ({error}); give a JSON object of words") from None
    if not isinstance(found, dict) or not found or not all(isinstance(word, str) for word in found.values()):
        raise InputError(f"{path}: no dictionary; give a JSON object from word to word")
    return found


def word_by_word(text: str, dictionary: Mapping[str, str]) -> str:
    """Return the text with each word that the dictionary has exchanged; case does not count.

    >>> word_by_word("Where does Ada live?", {"where": "wo", "live": "wohnt", "does": "denn"})
    'wo denn Ada wohnt?'
    """
    lower = {word.lower(): other for word, other in dictionary.items()}
    return _WORD.sub(lambda found: lower.get(found.group().lower(), found.group()), text)


def by_dictionary(dictionary: Mapping[str, str]) -> Transform:
    """Return the transform that translates the question word by word."""

    def transform(item: Item, _: Beside) -> list[Variant]:
        return [Variant("dictionary", word_by_word(item.prompt, dictionary), item.answer)]

    return transform
